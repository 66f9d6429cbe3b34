package agentcmd

import (
	"bytes"
	"io"
	"os"
)

// killAt names an event type. An agent with it in its environment is verbose, and kills itself, as a power cut
// would, when it has told of such an event.
const killAt = "E2E_KILL_AT"

type killWriter struct {
	io.Writer
	at []byte
}

func killer(w io.Writer) io.Writer {
	at := os.Getenv(killAt)
	if at == "" {
		return w
	}
	return &killWriter{w, []byte(" " + at + " ")}
}

func (k *killWriter) Write(p []byte) (int, error) {
	n, err := k.Writer.Write(p)
	if bytes.Contains(p, k.at) {
		self, findErr := os.FindProcess(os.Getpid())
		if findErr != nil || self.Kill() != nil {
			os.Exit(99)
		}
		select {} // until it is delivered
	}
	return n, err
}
