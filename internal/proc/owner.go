package proc

import "strings"

// OwnerOf returns the Owner in the name of a file or directory that is prefix, the owner, "-", and whatever makes it unlike
// any other; empty for any other name.
func OwnerOf(name, prefix string) string {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return ""
	}
	owner, _, _ := strings.Cut(rest, "-")
	return owner
}
