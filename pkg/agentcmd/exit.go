package agentcmd

import (
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
)

// The exit codes, after sysexits.h where it has one.
const (
	exitOK          = 0
	exitFindings    = 1  // findings at or over --fail-on
	exitRuntime     = 2  // something failed
	exitUsage       = 64 // the command line
	exitNotWhole    = 65 // lines of the audit log are missing or not as they were written
	exitUnavailable = 69 // the server could not be reached or refused; everything is kept for next time
	exitConfig      = 78 // the configuration
)

// exitError ends the program with a code. A nil err says nothing more.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode returns the code an error ends the program with. What no command said is the command line's.
func exitCode(err error) int {
	var e *exitError
	var c *configfile.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &c):
		return exitConfig
	}
	return exitUsage
}

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}
