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
		if len(word)-len(k) >= best {
			continue // too far, and the table of a very long word would be large
		}
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

// distance returns the number of single-character changes from a to b. Two neighbours exchanged count as one.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			d := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				d = min(d, rows[i-1][j], rows[i][j-1]) + 1
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
