package agentcmd

import (
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
)

// The exit codes of an agent, after sysexits.h where it has one.
const (
	ExitOK          = 0
	ExitFindings    = 1  // there are findings of the severity of --fail-on or worse
	ExitRuntime     = 2  // something failed
	ExitUsage       = 64 // the command line is wrong
	ExitNotWhole    = 65 // lines of the audit log are missing or have been changed
	ExitUnavailable = 69 // the server could not be reached or refused; everything is kept for the next run
	ExitConfig      = 78 // the configuration is wrong
)

// ExitError is an error that ends the program with a code of its own.
type ExitError struct {
	Code int
	Err  error // Err is printed. Nil means that everything has been printed already.
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns e.Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Usagef returns an error of the command line.
func Usagef(format string, args ...any) error {
	return &ExitError{ExitUsage, fmt.Errorf(format, args...)}
}

// exitNone is the exitCode of an error that has no code of its own.
const exitNone = -1

// exitCode returns the code with which an error of a verb ends the program.
func exitCode(err error) int {
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	if _, ok := errors.AsType[*configfile.Error](err); ok {
		return ExitConfig
	}
	if err != nil {
		return exitNone
	}
	return ExitOK
}
