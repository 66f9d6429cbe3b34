package configfile

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"team", "max_words", "token_file", "server"}
	for word, want := range map[string]string{
		"taem": "team", "tea": "team", "max_wrods": "max_words", "maxWords": "max_words", "token": "token_file", "sever": "server",
		"port": "", "": "", strings.Repeat("team", 1<<18): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}
