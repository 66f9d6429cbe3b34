package crashtest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
)

// uploader sends each tenant's parts with its own token. Now and then it sends one twice at a time, or panics.
type uploader struct {
	v       *victim
	clients map[string]*ingest.Client

	mu  sync.Mutex
	rng *rand.Rand
}

func newUploader(v *victim) (*uploader, error) {
	u := &uploader{v: v, clients: map[string]*ingest.Client{}, rng: rng(v.Seed, "uploader")}
	for t := range tenants {
		c, err := ingest.NewClient(ingest.ClientConfig{BaseURL: v.World.URL, Token: token(t), MaxRetryAfter: 20 * time.Millisecond})
		if err != nil {
			return nil, err
		}
		u.clients[t] = c
	}
	return u, nil
}

func (u *uploader) close() {
	for _, c := range u.clients {
		c.Close()
	}
}

func (u *uploader) Upload(ctx context.Context, p *part.Part) (*part.Result, error) {
	u.mu.Lock()
	chance := u.rng.IntN(40)
	u.mu.Unlock()
	if !u.v.Drain {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 250*time.Millisecond) // a server may hang
		defer cancel()
	}
	u.v.fate.reached("upload begins")
	var twice sync.WaitGroup
	switch {
	case u.v.Drain:
	case chance == 0:
		panic("a bad uploader")
	case chance < 4:
		twice.Go(func() { _, _ = u.clients[p.TenantID].Upload(ctx, p) }) // the result of a copy does not matter
	}
	res, err := u.clients[p.TenantID].Upload(ctx, p)
	twice.Wait()
	if err == nil {
		u.v.fate.reached("upload answered")
	}
	return res, err
}
