//go:build !linux

package resource

// systemRoot is empty: there are no control groups and no pressure files here.
const systemRoot = ""
