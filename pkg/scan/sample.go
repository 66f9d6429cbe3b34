package scan

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sample is a small target of one kind.
type sample struct {
	kind   string
	flawed map[string]string // its files, by name
	clean  map[string]string // the same without the flaw
}

// samples are the kinds of targets on which scanners are tried. They are made when they are needed: nothing in this
// repository, or in the program, looks like a leak.
func samples() []sample {
	return []sample{
		{"secret", map[string]string{"config.env": "region=eu-west-1\naws_access_key_id=" + fakeKey() + "\n"},
			map[string]string{"config.env": "region=eu-west-1\n"}},
		{"go", map[string]string{"go.mod": sampleModule, "main.go": flawedGo}, map[string]string{"go.mod": sampleModule, "main.go": cleanGo}},
		{"javascript", map[string]string{"run.js": "eval(location.hash.slice(1));\n"}, map[string]string{"run.js": "export const one = 1;\n"}},
		{"python", map[string]string{"run.py": flawedPython}, map[string]string{"run.py": "print(1)\n"}},
		{"c", map[string]string{"copy.c": flawedC}, map[string]string{"copy.c": "int main(void) { return 0; }\n"}},
		{"terraform", map[string]string{"main.tf": flawedTerraform}, map[string]string{"main.tf": "variable \"name\" {\n  description = \"a name\"\n  type        = string\n}\n"}},
		{"dockerfile", map[string]string{"Dockerfile": "FROM alpine:latest\nUSER root\nRUN sudo apk add curl\nEXPOSE 22\n"},
			map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nUSER 1000\nHEALTHCHECK CMD [\"/app\", \"check\"]\n"}},
		{"dependencies", map[string]string{"package-lock.json": lockFile("lodash", "4.17.4"), "package.json": packageFile("lodash", "4.17.4")},
			map[string]string{"package-lock.json": lockFile("left-pad", "1.3.0"), "package.json": packageFile("left-pad", "1.3.0")}},
	}
}

// SampleKinds are the kinds of small targets that Definition.Sample may name.
func SampleKinds() []string {
	var kinds []string
	for _, s := range samples() {
		kinds = append(kinds, s.kind)
	}
	return kinds
}

// sampleOf returns the sample of a kind; that of no kind has no flaw.
func sampleOf(kind string) sample {
	all := samples()
	if i := slices.IndexFunc(all, func(s sample) bool { return s.kind == kind }); i >= 0 {
		return all[i]
	}
	return sample{clean: map[string]string{"README": "Nothing to find here.\n"}}
}

// writeFiles makes a target of the files below dir and returns its path.
func writeFiles(dir string, files map[string]string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// fakeKey returns what looks like a key of a cloud and is none: sixteen letters in random order.
func fakeKey() string {
	letters := []byte("BCDFGHJKLMNPQRSTVWXYZ234567")
	rand.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	return strings.Join([]string{"AK", "IA"}, "") + string(letters[:16])
}

const sampleModule = "module sample\n\ngo 1.21\n"

// The Go programs import nothing that takes long to analyse.
const (
	flawedGo = `package main

import "unsafe"

func main() {
	n := 1
	n = n
	println(*(*byte)(unsafe.Pointer(&n)))
}
`
	cleanGo = `// Command sample prints a number.
package main

func main() { println(1) }
`
	flawedPython = `import subprocess
import sys

subprocess.call(sys.argv[1], shell=True)
eval(sys.argv[2])
`
	flawedC = `#include <string.h>

int main(int argc, char **argv) {
	char name[8];
	strcpy(name, argv[argc - 1]);
	return name[0];
}
`
	flawedTerraform = `resource "aws_security_group_rule" "open" {
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  security_group_id = "sg-1"
}
`
)

func packageFile(name, version string) string {
	return fmt.Sprintf(`{"name": "sample", "version": "1.0.0", "dependencies": {%q: %q}}`+"\n", name, version)
}

func lockFile(name, version string) string {
	return fmt.Sprintf(`{
  "name": "sample",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "packages": {
    "": {"name": "sample", "version": "1.0.0", "dependencies": {%q: %q}},
    "node_modules/%s": {"version": %q}
  }
}
`, name, version, name, version)
}
