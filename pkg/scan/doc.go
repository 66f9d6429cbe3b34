// Package scan runs external scanners and turns what they write into reports.
//
// A scanner is a command that writes SARIF: a [Definition], written in YAML or Go. A [Table] holds those an agent knows;
// [Builtin] has fourteen, and [Custom] makes one of any command. A [Runner] runs them as supervised
// children: each contained as Config.Containment says, with files for output, an environment from an allow-list, and limits
// on time, memory and output; whatever they start is gone when [Runner.Scan] returns.
//
// # When a scan has succeeded
//
// An exit code proves little: many scanners exit 0, with a well-formed report of no findings, for a target that
// does not exist. A scan has succeeded when the target was there before, the exit code is a declared one, and a
// SARIF file was written by this very run and opens. A report is submitted with coverage "full" only if, besides,
// the file was read to its end, nothing in it was set aside, and the tool did not say that it failed; otherwise
// with coverage "partial", so that a server does not take what is missing for resolved. Everything else is an
// [Error] and submits nothing.
//
// [Import] takes the same path from an existing SARIF file.
package scan
