package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// chunkBody returns a chunk request with data.
func chunkBody(id string, idx, total int, encoding string, data []byte) string {
	return fmt.Sprintf(`{"report_id":%q,"chunk_index":%d,"total_chunks":%d,"compression":%q,"data":%q}`,
		id, idx, total, encoding, base64.StdEncoding.EncodeToString(data))
}

func TestRefusals(t *testing.T) {
	_, url := newServer(t, func(c *HandlerConfig) {
		c.Limits = Limits{MaxCompressedBytes: 64 << 10, MaxDecompressedBytes: 1 << 20, MaxItems: 50, MaxFingerprints: 5, MaxParts: 100}
	})
	c := newClient(t, url, tokenA)
	bomb := codec.Compress(nil, []byte(`{"version":"1.0","x":"`+strings.Repeat("a", 900_000)+`"}`), 9)
	large := codec.Compress(nil, []byte(`{"x":"`+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdefghi"), 1<<17))+`"}`), 1)
	ok := []byte(`{"version":"1.0","metadata":{}}`)
	many := []byte(`{"findings":[` + strings.Repeat(`{"title":"x"},`, 50) + `{"title":"x"}]}`)
	single, chunk := url+ingest.DefaultIngestPath, url+ingest.DefaultChunkPath
	id257 := strings.Repeat("x", 257)
	rejected := int64(0)
	for _, tc := range []struct {
		name, url, body string
		status          int
		code            string
		header          []string
	}{
		{"no json", single, "hello", 400, ingest.CodeBadRequest, nil},
		{"empty", single, "", 400, ingest.CodeBadRequest, nil},
		{"array", single, "[]", 400, ingest.CodeBadRequest, nil},
		{"truncated", single, `{"findings":[{"title":"x"}`, 400, ingest.CodeBadRequest, nil},
		{"more behind", single, string(ok) + "{}", 400, ingest.CodeBadRequest, nil},
		{"findings no array", single, `{"findings":7}`, 400, ingest.CodeBadRequest, nil},
		{"deep", single, `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}", 400, ingest.CodeBadRequest, nil},
		{"report id", single, `{"metadata":{"id":"a:b"}}`, 400, ingest.CodeBadRequest, nil},
		{"report ids differ", single, `{"metadata":{"id":"a"}}`, 400, ingest.CodeBadRequest, []string{wire.HeaderReport, "b"}},
		{"key too long", single, string(ok), 400, ingest.CodeBadRequest, []string{wire.HeaderKey, strings.Repeat("k", 513)}},
		{"encoding unknown", single, string(ok), 400, ingest.CodeBadRequest, []string{"Content-Encoding", "br"}},
		{"encoding lies", single, string(ok), 400, ingest.CodeBadRequest, []string{"Content-Encoding", "zstd"}},
		{"body too large", single, strings.Repeat(" ", 65<<10), 413, ingest.CodeTooLarge, nil},
		{"bomb", single, string(bomb), 413, ingest.CodeTooLarge, []string{"Content-Encoding", "zstd"}},
		{"decompressed too large", single, string(large), 413, ingest.CodeTooLarge, []string{"Content-Encoding", "zstd"}},
		{"too many findings", single, string(many), 413, ingest.CodeTooLarge, nil},

		{"chunk no json", chunk, "x", 400, ingest.CodeBadRequest, nil},
		{"chunk empty", chunk, "{}", 400, ingest.CodeBadRequest, nil},
		{"chunk null", chunk, "null", 400, ingest.CodeBadRequest, nil},
		{"chunk id", chunk, chunkBody("a/../b", 0, 2, "none", ok), 400, ingest.CodeBadRequest, nil},
		{"chunk id long", chunk, chunkBody(id257, 0, 2, "none", ok), 400, ingest.CodeBadRequest, nil},
		{"chunk index under", chunk, chunkBody("r", -1, 2, "none", ok), 400, ingest.CodeBadRequest, nil},
		{"chunk index over", chunk, chunkBody("r", 2, 2, "none", ok), 400, ingest.CodeBadRequest, nil},
		{"chunks none", chunk, chunkBody("r", 0, 0, "none", ok), 400, ingest.CodeBadRequest, nil},
		{"chunks too many", chunk, chunkBody("r", 0, 101, "none", ok), 413, ingest.CodeTooLarge, nil},
		{"chunk base64", chunk, `{"report_id":"r","chunk_index":0,"total_chunks":2,"data":"*"}`, 400, ingest.CodeBadRequest, nil},
		{"chunk no data", chunk, chunkBody("r", 0, 2, "none", nil), 400, ingest.CodeBadRequest, nil},
		{"chunk data too large", chunk, chunkBody("r", 0, 2, "none", make([]byte, 65<<10)), 413, ingest.CodeTooLarge, nil},
		{"chunk body too large", chunk, strings.Repeat(" ", 200<<10), 413, ingest.CodeTooLarge, nil},
		{"chunk bomb", chunk, chunkBody("r", 0, 2, "zstd", bomb), 413, ingest.CodeTooLarge, nil},
		{"chunk index differs", chunk, chunkBody("r", 0, 2, "none", []byte(`{"chunk_index":1}`)), 400, ingest.CodeBadRequest, nil},

		{"too many fingerprints", url + ingest.DefaultCheckPath, `{"fingerprints":["1","2","3","4","5","6"]}`, 413, ingest.CodeTooLarge, nil},
		{"fingerprints no list", url + ingest.DefaultCheckPath, `{"fingerprints":3}`, 400, ingest.CodeBadRequest, nil},
		{"command without type", url + ingest.DefaultCommandsPath, `{}`, 400, ingest.CodeBadRequest, nil},
	} {
		resp := post(t, tc.url, tokenA, tc.body, tc.header...)
		rejected++
		var e wire.ErrorBody
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			t.Errorf("%s: answer: %v", tc.name, err)
		}
		if resp.StatusCode != tc.status || e.Error.Code != tc.code || e.Error.Message == "" {
			t.Errorf("%s: %d %s %q, want %d %s", tc.name, resp.StatusCode, e.Error.Code, e.Error.Message, tc.status, tc.code)
		}
	}
	s := stats(t, c)
	if s.Rejected != rejected || s.Parts != 0 || s.Findings != 0 {
		t.Errorf("stats %+v, want %d rejected and nothing stored", s, rejected)
	}
	upload(t, c, split(t, sample("fine", 5), 100)[0])
	if s := stats(t, c); s.Rejected != rejected || s.Findings != 5 {
		t.Errorf("stats after a good report %+v", s)
	}
}

func TestWrongOrNoToken(t *testing.T) {
	_, url := newServer(t, nil)
	for _, path := range []string{ingest.DefaultIngestPath, ingest.DefaultChunkPath, ingest.DefaultCheckPath, ingest.DefaultHeartbeatPath, ingest.DefaultCommandsPath} {
		for _, token := range []string{"", "wrong", tokenA + "x", tokenA[:len(tokenA)-1]} {
			if resp := post(t, url+path, token, "{}"); resp.StatusCode != 401 {
				t.Errorf("%s with token %q: %d", path, token, resp.StatusCode)
			}
		}
	}
	for _, path := range []string{ingest.DefaultFindingsPath, ingest.DefaultStatsPath, ingest.DefaultCommandsPath} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
	resp := post(t, url+ingest.DefaultHeartbeatPath, "", "", "X-API-Key", tokenB)
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !strings.Contains(string(b), `"tenant_id":"b"`) {
		t.Errorf("X-API-Key: %d %s", resp.StatusCode, b)
	}
	if resp := post(t, url+"/nowhere", tokenA, ""); resp.StatusCode != 404 {
		t.Errorf("unknown path: %d", resp.StatusCode)
	}
	if resp, err := http.Get(url + "/healthz"); err != nil || resp.StatusCode != 200 {
		t.Errorf("healthz: %v %v", resp, err)
	}
}

// A body that is shorter than announced stores nothing, and its answer allows a retry.
func TestLyingContentLength(t *testing.T) {
	store, url := newServer(t, func(c *HandlerConfig) { c.Limits.BodyTimeout = 100 * time.Millisecond })
	for name, half := range map[string]bool{"closes": true, "stalls": false} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{\"metadata\":{}}", ingest.DefaultIngestPath, tokenA)
		if half {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Contains(answer, []byte("408 Request Timeout")) {
			t.Errorf("%s: answered %q", name, answer)
		}
		conn.Close()
	}
	s, err := store.Tenant("a").Stats(t.Context())
	if err != nil || s.Parts != 0 || s.Rejected != 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

func TestNoRoomIsTransient(t *testing.T) {
	_, url := newServer(t, func(c *HandlerConfig) {
		c.Limits.MaxCompressedBytes = 30 << 10
		c.Limits.MaxInFlightBytes = 110 << 10
	})
	// A body that never ends holds a reservation of the maximum size. If it is refused because of another request, it is sent
	// again.
	hold := func() (end *io.PipeWriter, done chan struct{}) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", url+ingest.DefaultChunkPath, pr)
		req.Header.Set("Authorization", "Bearer "+tokenA)
		done = make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		_, _ = pw.Write([]byte("{"))
		return pw, done
	}
	pw, done := hold()
	body := chunkBody("r", 0, 1, "none", bytes.Repeat([]byte(" "), 20<<10))
	testkit.Eventually(t, "a request is answered with 429", func() bool {
		resp := post(t, url+ingest.DefaultChunkPath, tokenB, body)
		if resp.StatusCode == http.StatusTooManyRequests {
			if resp.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			return true
		}
		select {
		case <-done:
			_ = pw.Close()
			pw, done = hold()
		default:
		}
		return false
	})
	_ = pw.CloseWithError(io.ErrUnexpectedEOF)
	<-done
}

func TestProblemFindingsAreQuarantined(t *testing.T) {
	_, url := newServer(t, nil)
	resp := post(t, url+ingest.DefaultIngestPath+"/ris", tokenA, `{"report":{"findings":[
		{"title":"good","severity":"HIGH","unknown":{"kept":[1]}}, null, 7, {"title":5}, {"title":"odd","severity":"urgent"},
		{"title":"good","severity":"HIGH","unknown":{"kept":[1]}}],
		"assets":[{"type":"","value":"x"}],"metadata":{"id":"q1"}}}`)
	var a wire.Answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != 201 {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	if a.FindingsCreated != 2 || a.FindingsSkipped != 4 || len(a.Errors) != 4 || a.ReportID != "q1" {
		t.Fatalf("answer %+v", a)
	}
	got := findings(t, newClient(t, url, tokenA), ingest.Query{})
	if len(got) != 2 || string(got[0].Severity) != "high" || !strings.Contains(string(got[0].Raw), `"unknown":{"kept":[1]}`) || got[1].Severity != "info" {
		t.Fatalf("findings %+v", got)
	}
}
