package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func read(text string, framing Framing, most int) (messages []string, err error) {
	f := newFrames(iotest.OneByteReader(strings.NewReader(text)), framing, most)
	for {
		m, err := f.next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(m))
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		framing Framing
		text    string
		want    string
		err     string
	}{
		{Lines, "a\nb\r\n\n c \n", "a,b,,c", "EOF"},
		{Lines, "a\nb", "a", "unexpected EOF"},
		{Lines, strings.Repeat("x", 64) + "\n", strings.Repeat("x", 64), "EOF"},
		{Lines, long, "", "a message of"},
		{ContentLength, "Content-Length: 1\r\n\r\nacontent-length:2\r\nContent-Type: x\r\n\r\nbc", "a,bc", "EOF"},
		{ContentLength, "Content-Length: 1\n\na", "a", "EOF"},
		{ContentLength, "Content-Length: 3\r\n\r\nab", "", "unexpected EOF"},
		{ContentLength, "Content-Length: 3\r\n", "", "unexpected EOF"},
		{ContentLength, "Content-Length: 65\r\n\r\n", "", "a message of 65 bytes or more, the limit is 64"},
		{ContentLength, "Content-Length: -1\r\n\r\n", "", "want one length"},
		{ContentLength, "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "", "want one length"},
		{ContentLength, "Content-Length: 99999999999999999999\r\n\r\n", "", "want one length"},
		{ContentLength, "Content-Type: x\r\n\r\n", "", "without Content-Length"},
		{ContentLength, "Listening on port 8080\r\n", "", "is no header"},
		{ContentLength, strings.Repeat("a: "+long+"\r\n", 50), "", "a message of"},
	} {
		got, err := read(tt.text, tt.framing, 64)
		if strings.Join(got, ",") != tt.want || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s %.40q: got %q, %v, want %q, %s", tt.framing, tt.text, got, err, tt.want, tt.err)
		}
	}
}

// A length that is only announced takes no memory.
func TestAnAnnouncedMessageTakesNoMemory(t *testing.T) {
	f := newFrames(strings.NewReader("Content-Length: 1073741824\r\n\r\nshort"), ContentLength, 1<<30)
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := f.next(); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	if allocated > 100 {
		t.Errorf("%g allocations", allocated)
	}
}

func TestParse(t *testing.T) {
	for text, bad := range map[string]bool{
		`{"jsonrpc":"2.0","id":1,"result":null}`:                         false,
		`{"id":1,"result":{}}`:                                           false,
		`{"jsonrpc":"2.0","method":"x"}`:                                 false,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`:                    false,
		`{"jsonrpc":"1.0","id":1,"result":1}`:                            true,
		`{"jsonrpc":"2.0","id":1}`:                                       true,
		`[{"jsonrpc":"2.0","id":1,"result":1}]`:                          true, // batches are not asked for
		`{"jsonrpc":"2.0","id":1,"result":1} {}`:                         true,
		`null`:                                                           true,
		strings.Repeat(`{"params":`, 20000) + strings.Repeat("}", 20000): true,
	} {
		if _, err := parse([]byte(text)); (err != nil) != bad {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	for id, bad := range map[string]bool{"1": false, `"1"`: true, "1.5": true, "": true, "[]": true} {
		m := message{ID: json.RawMessage(id), Error: &ResponseError{Code: 1, Message: "parse error"}}
		if _, err := m.callID(); (err != nil) != bad {
			t.Errorf("ID %s: %v", id, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("a\nb\r\n"), true)
	f.Add([]byte("Content-Length: 2\r\n\r\n{}Content-Length: 1\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, lines bool) {
		framing := ContentLength
		if lines {
			framing = Lines
		}
		const most = 1 << 10
		frames := newFrames(bytes.NewReader(b), framing, most)
		for total := 0; ; {
			m, err := frames.next()
			if err != nil {
				return
			}
			if total += len(m); len(m) > most || total > len(b) {
				t.Fatalf("%d bytes, %d of %d in all", len(m), total, len(b))
			}
		}
	})
}

// What is framed is read again as it was.
func FuzzRoundTrip(f *testing.F) {
	f.Add("method", `{"a":1}`)
	f.Fuzz(func(t *testing.T, method, params string) {
		b, err := call(json.RawMessage("7"), method, params)
		if err != nil || method == "" {
			return
		}
		for _, framing := range []Framing{Lines, ContentLength} {
			got, err := newFrames(bytes.NewReader(framing.frame(bytes.Clone(b))), framing, 1<<20).next()
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%s: %v", framing, err)
			}
			m, err := parse(got)
			if err != nil || string(m.ID) != "7" || !m.isCall() {
				t.Fatalf("%s: %+v, %v", b, m, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":1}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":"a","method":"m","params":[1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		if _, err := m.callID(); err == nil && len(m.ID) == 0 {
			t.Errorf("%q: an ID from nowhere", b)
		}
		if m.isCall() && m.ID != nil {
			if back := answer(m.ID, m.Params, nil); !json.Valid(back) {
				t.Errorf("%q: the answer is no JSON: %q", b, back)
			}
		}
	})
}

func ExampleExhaustedError() {
	var err error = &ExhaustedError{Max: 2, InUse: 2, Waiting: 7}
	fmt.Println(err)
	// Output: no server is free: 2 of at most 2 in use, 7 callers waiting
}
