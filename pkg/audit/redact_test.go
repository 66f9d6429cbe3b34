package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

func TestRedactText(t *testing.T) {
	const R = Redacted
	for _, tc := range [][2]string{
		// secrets
		{`Get "https://bob:hunter2@example.com/x?y=1": EOF`, `Get "https://` + R + `@example.com/x?y=1": EOF`},
		{`clone https://ghp_0123456789abcdefghij@github.com/a/b`, `clone https://` + R + `@github.com/a/b`},
		{`clone https://u:p@ss@host/x`, `clone https://` + R + `@host/x`},
		{`clone https://u:pa/ss@host/x`, `clone https://` + R + `@host/x`},
		{`parse "postgres://u:p@db:5432/x": bad`, `parse "postgres://` + R + `@db:5432/x": bad`},
		{`GET /x?page=2&access_token=abc&sig=AbC%2F&z=1`, `GET /x?page=2&access_token=` + R + `&sig=` + R + `&z=1`},
		{`X-Amz-Signature=deadbeef&X-Amz-Security-Token=FwoG`, `X-Amz-Signature=` + R + `&X-Amz-Security-Token=` + R},
		{`GITHUB_TOKEN=abc PATH=/bin`, `GITHUB_TOKEN=` + R + ` PATH=/bin`},
		{`password="a b c" user="x"`, `password="` + R + `" user="x"`},
		{`{"password":"hunter2","n":1}`, `{"password":"` + R + `","n":1}`},
		{`{\"api_key\": \"k\", \"n\": 1}`, `{\"api_key\": \"` + R + `\", \"n\": 1}`},
		{`{'client_secret': 'x'}`, `{'client_secret': '` + R + `'}`},
		{"Authorization: Digest username=\"x\", response=\"y\"\r\nHost: a", "Authorization:" + R + "\r\nHost: a"},
		{`curl -H "Cookie: a=b; c=d"`, `curl -H "Cookie:` + R},
		{`password: hunter2, next`, `password: ` + R + ` next`},
		{`401 for Bearer abc.DEF-123`, `401 for Bearer ` + R},
		{`proxy said basic dXNlcjpwYXNz here`, `proxy said basic ` + R + ` here`},
		{`semgrep --api-token abc --json`, `semgrep --api-token ` + R + ` --json`},
		{`semgrep --password=abc --json`, `semgrep --password=` + R + ` --json`},
		{`key AKIAIOSFODNN7EXAMPLE found`, `key ` + R + ` found`},
		{`see glpat-0123456789abcdef.`, `see ` + R},
		{`x-ghp_0123456789abcdefghij`, `x-` + R},
		{`xoxb-123456789012-abc`, R},
		{`jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig`, `jwt ` + R},
		{"k\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n", "k\n-----BEGIN" + R + "-----END RSA PRIVATE KEY-----\n"},
		{"-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN" + R},
		// and none
		{`Job completed successfully`, ``},
		{`clone https://github.com/a/b@v1.2.3?depth=1`, ``},
		{`https://[::1]:8080/x and http://127.0.0.1:80`, ``},
		{`https://registry/@scope/pkg`, ``},
		{`unexpected token: } at 3:4`, ``},
		{`basic validation failed, bearer authentication failed`, ``},
		{`author=bob tool=gitleaks findings=3`, ``},
		{`-----BEGIN CERTIFICATE-----`, ``},
		{`sk-learn, npm_config, eyJ`, ``},
		{`trailing https://`, ``},
		{`password=`, ``},
		{``, ``},
	} {
		in, want := tc[0], tc[1]
		if want == "" {
			want = in
		}
		if got := redact.Text(in); got != want {
			t.Errorf("%q\nbecomes %q\nwant    %q", in, got, want)
		}
	}
}

func TestRedactByKey(t *testing.T) {
	const secret = "s3cr3t"
	line := encode(Event{Details: map[string]any{
		"token": secret, "API-Key": secret, "apiKey": secret, "client_secret": []string{secret}, "Set-Cookie": secret,
		"db_password": map[string]any{"v": secret}, "authorization": struct{ A string }{secret}, "aws_secret_access_key": secret,
		"credentials": []byte(secret), "nested": map[string]string{"auth": secret}, "pin": 1234,
		"argv": []string{"semgrep", "--token", secret, "--json"}, "env": []any{"A=1", "MY_TOKEN=" + secret},
	}})
	line, _, _ = strings.Cut(line, `,"v":`) // a chain value may hold any digits
	if strings.Contains(line, secret) || strings.Contains(line, "1234") {
		t.Errorf("a secret is in %s", line)
	}
	line = encode(Event{Details: map[string]any{"secrets_found": 3, "tokens": 17, "author": "bob", "passed": true, "has_token": true, "tool": "gitleaks"}})
	if strings.Contains(line, Redacted) {
		t.Errorf("too much is redacted in %s", line)
	}
}

// No secret reaches the line by any field, in any of these sentences.
func TestNoSecretInAnyField(t *testing.T) {
	secrets := []string{"ghp_0123456789abcdefghijABCDEFGHIJ012345", "glpat-ABCDEFGHIJ0123456789", "AKIAIOSFODNN7EXAMPLE", "hunter2/1+x="}
	frames := []string{"%", "https://u:%@h/p", "a?token=%&b=1", `{"password": "%"}`, "Authorization: Bearer %", "PGPASSWORD=%", "x --secret % y", "token='%'"}
	for i, s := range secrets {
		for j, frame := range frames {
			if i == len(secrets)-1 && j == 0 {
				continue // a password by itself looks like any word
			}
			text := strings.ReplaceAll(frame, "%", s)
			line := encode(Event{Type: EventType(text), JobID: text, ReportID: text, AgentID: text, TenantID: text, Message: text, Error: text,
				Details: map[string]any{"a": text, "b": []any{text}, "c": map[string]string{"d": text}, text: 1, "s": struct{ X string }{text}}})
			if strings.Contains(line, s) {
				t.Errorf("%q is in %s", s, line)
			}
		}
	}
}

// No secret reaches the disk or the console on any of the ways into the log.
func TestPlantedSecretsNeverReachTheDisk(t *testing.T) {
	secrets := []string{
		"ghp_0123456789abcdefghijABCDEFGHIJ012345", "github_pat_11ABCDEFG0123456789_abcdefghij", "glpat-ABCDEFGHIJ0123456789", "AKIAIOSFODNN7EXAMPLE",
		"xoxb-123456789012-abcdefghij", "sk_live_0123456789abcdef", "npm_0123456789abcdefghijABCDEFGHIJ012345",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "AIzaSyA-0123456789abcdefghijABCDEFGHI",
	}
	path := logPath(t)
	var out bytes.Buffer
	l := open(t, path, func(c *LoggerConfig) { c.Verbose, c.Logger = true, textLogger(&out) })
	for _, s := range secrets {
		urlErr := &url.Error{Op: "Get", URL: "https://u:" + s + "@host/p?access_token=" + s + "&x=1", Err: errors.New("refused")}
		job := l.WithContext(WithCorrelationID(t.Context(), s), s, s)
		job.Error(EventUploadFailed, "Authorization: Bearer "+s, urlErr, map[string]any{
			"header": http.Header{"Authorization": {"Bearer " + s}, "Cookie": {"sid=" + s}}, "url": urlErr, "argv": []string{"scan", "--token", s},
			"env": []string{"A=1", "GITHUB_TOKEN=" + s}, "nested": map[string]any{"deep": []any{map[string]string{"note": "see " + s}}}, s: s,
			"body": json.RawMessage(`{"password":"` + s + `"}`),
		})
		l.JobFailed(s, fmt.Errorf("clone: %w", urlErr), nil)
		l.ResourceThrottle("token="+s, nil)
	}
	pem := "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75NtPW\n-----END RSA PRIVATE KEY-----"
	l.Error(EventAgentError, pem, errors.New(pem), map[string]any{"key": pem})
	stop(t, l)
	for _, name := range append(logFiles(t, path), filepath.Base(path)+logfile.HeadSuffix) {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range append(secrets, "MIIEpAIBAAKCAQEA75NtPW") {
			if bytes.Contains(b, []byte(s)) || bytes.Contains(out.Bytes(), []byte(s)) {
				t.Errorf("%s, or the console, has %q", name, s)
			}
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"https://a:b@c", "token=x", `"password":"x"`, "Bearer abcdefgh1", "-----BEGIN PRIVATE KEY", "--token ", "Cookie:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
		if out := redact.Text(s + " " + secret + " " + s); strings.Contains(out, secret) {
			t.Errorf("in %q the token stays: %q", s, out)
		}
	})
}
