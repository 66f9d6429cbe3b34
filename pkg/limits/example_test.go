package limits_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rediverio/sdk/pkg/limits"
)

// How do I keep my agent's HTTP traffic within bounds?
func ExampleTransport() {
	l := limits.DefaultNetworkLimits()
	l.MaxTotalConnections = 4
	l.MaxResponseSizeMB = 10
	if err := l.Validate(); err != nil {
		fmt.Println(err)
	}
	client := &http.Client{Transport: limits.Transport(l, nil)}
	_ = client
	// Output:
}

// How do I bound the goroutines that a component starts?
func ExampleGroup() {
	group := limits.NewGroup(1)
	release := make(chan struct{})
	group.Go(func() { <-release })

	err := group.Go(func() {})
	var limit *limits.ErrLimit
	if errors.As(err, &limit) {
		fmt.Println(err)
	}
	close(release)
	group.Wait()
	// Output: limit max_goroutines: 2 against 1
}
