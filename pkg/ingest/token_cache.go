package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// tokenCache holds the current token. Its lock is a channel, so that waiting for a slow source ends with ctx.
type tokenCache struct {
	source  func(context.Context) (string, error)
	sem     chan struct{}
	current string
}

func newTokenCache(token string, source func(context.Context) (string, error)) tokenCache {
	return tokenCache{source: source, sem: make(chan struct{}, 1), current: token}
}

// get returns the token. refused is a token that the server has refused, or empty: if it is the current one, the source
// is asked for another.
func (t *tokenCache) get(ctx context.Context, refused string) (string, error) {
	if t.source == nil {
		return t.current, nil
	}
	select {
	case t.sem <- struct{}{}:
		defer func() { <-t.sem }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.current != "" && t.current != refused {
		return t.current, nil
	}
	token, err := t.source(ctx)
	token = strings.TrimSpace(token)
	switch {
	case err != nil:
		return "", fmt.Errorf("read token: %w", err)
	case token == "":
		return "", errors.New("read token: the token is empty")
	case strings.ContainsFunc(token, wire.NotTokenRune):
		return "", errors.New("read token: the token contains a space or a control character")
	}
	t.current = token
	return token, nil
}
