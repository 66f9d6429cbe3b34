package transport_test

import (
	"fmt"
	"net/http"

	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/limits/transport"
)

// How do I bound the HTTP traffic of my agent?
func ExampleNew() {
	l := limits.DefaultNetworkLimits()
	l.MaxTotalConnections = 4
	l.MaxResponseSizeMB = 10
	t, err := transport.New(l, nil)
	if err != nil {
		fmt.Println(err)
	}
	client := &http.Client{Transport: t}
	_ = client
	// Output:
}
