//go:build unix

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/scan/pool"
)

// echo is a server that answers its first call, in a line of shell.
const echo = `read request; echo '{"jsonrpc":"2.0","id":1,"result":{"findings":3}}'; read more`

func Example() {
	p, err := pool.New(pool.Config{Command: []string{"/bin/sh", "-c", echo}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer p.Close(ctx)
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	var answer struct{ Findings int }
	if err := p.Call(ctx, "analyse", map[string]string{"path": "."}, &answer); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Findings, "findings")
	// Output: 3 findings
}

// How do I know why a call failed?
func Example_whyDidMyCallFail() {
	p, err := pool.New(pool.Config{Name: "linter", Command: []string{"/bin/sh", "-c", `read request; echo "out of licenses" >&2; exit 3`}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer p.Close(ctx)
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	err = p.Call(ctx, "analyse", nil, nil)
	var broken *pool.Error
	if errors.As(err, &broken) {
		fmt.Println(broken.Cause, broken.Stderr)
	}
	fmt.Println(err)
	// Output:
	// crash [out of licenses]
	// linter: crash in analyse: it ended with exit code 3; it said: out of licenses
}

// How do I make several calls to the same server?
func ExamplePool_Get_severalCallsToOneServer() {
	p, err := pool.New(pool.Config{Command: []string{"/bin/sh", "-c", `for id in 1 2; do read request; echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$id}"; done; read more`}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer p.Close(ctx)
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	s, err := p.Get(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Release()
	var opened, analysed int
	if err := errors.Join(s.Call(ctx, "open", "main.go", &opened), s.Call(ctx, "analyse", "main.go", &analysed)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(opened, analysed)
	// Output: 1 2
}
