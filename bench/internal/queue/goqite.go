package queue

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"time"

	"maragu.dev/goqite"
	_ "modernc.org/sqlite" // the driver "sqlite", the same as ours

	"github.com/rediverio/sdk/bench/internal/sample"
)

type lite struct {
	*goqite.Queue
	db      *sql.DB
	payload []byte
}

// openGoqite follows its README: one connection, WAL, busy timeout, foreign keys. SQLite's default is synchronous=FULL.
func openGoqite(dir string, p sample.Payload) (Queue, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "goqite.db"))+
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := goqite.Setup(context.Background(), db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &lite{goqite.New(goqite.NewOpts{DB: db, Name: "bench", Timeout: time.Hour}), db, p.Bytes}, nil
}

func (l *lite) Put(ctx context.Context) error { return l.Send(ctx, goqite.Message{Body: l.payload}) }

func (l *lite) Consume(ctx context.Context, consumers int) (int64, error) {
	return pull(ctx, consumers, func(ctx context.Context) (func() error, error) {
		m, err := l.Receive(ctx)
		if m == nil || err != nil {
			return nil, err
		}
		return func() error { return l.Delete(ctx, m.ID) }, nil
	})
}

func (l *lite) Close() error { return l.db.Close() }
