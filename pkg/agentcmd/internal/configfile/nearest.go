package configfile

import (
	"fmt"
	"strings"
)

// Hint returns a question to append to an error about an unknown word, `; did you mean "max_retries"?`, or nothing if
// no known word is similar.
func Hint(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// Nearest returns the known word that is most similar to word, or an empty string if none is similar.
func Nearest(word string, known []string) string {
	best, name := max(len(word)/3, 1)+1, ""
	for _, k := range known {
		if d := distance(plain(word), plain(k)); d < best {
			best, name = d, k
		}
	}
	for i := 0; name == "" && len(word) > 2 && i < len(known); i++ {
		if strings.HasPrefix(plain(known[i]), plain(word)) { // token for token_file
			name = known[i]
		}
	}
	return name
}

// distance returns the number of single-character changes from a to b. Two neighbours exchanged count as two.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = min(prev, row[j], row[j+1]) + 1
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
