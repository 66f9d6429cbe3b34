package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// everywhere is a report in which every object has unknown members.
const everywhere = `{
 "version":"1.0", "x_report":{"deep":[1,2,{"a":null}]}, "$schema":"s",
 "metadata":{"id":"r","timestamp":"2026-08-01T00:00:00Z","x_meta":9007199254740993,
  "branch":{"name":"main","x_branch":true},"scope":{"name":"s","x_scope":"ß"},
  "properties":{"big":9007199254740993,"small":1e-400,"deep":{"big":18446744073709551617}}},
 "tool":{"name":"t","x_tool":[],"properties":{"n":12345678901234567890}},
 "assets":[{"type":"repository","value":"v","technical":{"any":1},"related_assets":["b"],"properties":{"n":9007199254740993}}],
 "findings":[{"type":"secret","title":"t","severity":"high","fingerprint":"fp","x finding":"\u0000 <&>","web3":{"chain":1},
  "location":{"path":"p","start_line":3,"x_loc":{}},"related_locations":[{"path":"q","x_rel":1.50}],
  "vulnerability":{"cve_id":"CVE-1","epss_score":0.123456789012345678},"secret":{"length":3,"x_secret":"s"},
  "misconfiguration":{"policy_id":"p","x_mis":-0},"suppression":{"kind":"k","x_sup":[[]]},
  "data_flow":{"sources":[1]},"remediation":{"fix":"x"},"properties":{"n":9007199254740993}}],
 "dependencies":[{"name":"d","locations":[{"path":"go.mod"}],"properties":{"n":9007199254740993}}],
 "properties":{"n":9007199254740993}
}`

// tree decodes JSON for comparison, with numbers as json.Number.
func tree(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.200s", err, b)
	}
	return v
}

func TestUnknownMembersSurvive(t *testing.T) {
	var r Report
	if err := json.Unmarshal([]byte(everywhere), &r); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, b), tree(t, []byte(everywhere)); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var again Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	b2, err := json.Marshal(&again)
	if err != nil || !bytes.Equal(b, b2) {
		t.Errorf("the second round trip differs: %v\n%s\n%s", err, b, b2)
	}
}

// Every struct of the model must have the methods that preserve unknown members.
func TestEveryObjectPreservesExtra(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] || typ.PkgPath() != reflect.TypeFor[Report]().PkgPath() {
			return
		}
		seen[typ] = true
		v := reflect.New(typ)
		in := []byte(`{"x_unknown":[1]}`)
		if err := json.Unmarshal(in, v.Interface()); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		out, err := json.Marshal(v.Interface())
		if err != nil || !bytes.Contains(out, []byte(`"x_unknown":[1]`)) {
			t.Errorf("round trip of %s lost unknown members: %s, %v", typ, out, err)
		}
		for i := range typ.NumField() {
			visit(typ.Field(i).Type)
		}
	}
	visit(reflect.TypeFor[Report]())
	if len(seen) < 12 {
		t.Errorf("found only %d types", len(seen))
	}
}

// A member whose name differs from a field only in case is not preserved a second time.
func TestMembersInOtherCase(t *testing.T) {
	for _, name := range []string{"title", "Title", "TITLE", "tıtle", "\u017feverity", "SEVERITY", "ſeverity", "asset_ref"} {
		var f Finding
		if err := json.Unmarshal([]byte(`{"`+name+`":"high"}`), &f); err != nil {
			t.Fatal(err)
		}
		taken := f.Title != "" || f.Severity != "" || f.AssetRef != ""
		if kept := len(f.Extra) > 0; kept == taken {
			t.Errorf("%q: decoded into the field = %v, into Extra = %v", name, taken, kept)
		}
	}
}

func TestBadExtraIsAnError(t *testing.T) {
	for _, raw := range []string{"", "{", "1,2", `"`} {
		if b, err := json.Marshal(Finding{Extra: Extra{"x": json.RawMessage(raw)}}); err == nil {
			t.Errorf("Marshal with the invalid member %q = %s, want an error", raw, b)
		}
	}
}

func TestPropertiesDecode(t *testing.T) {
	var p Properties
	if err := json.Unmarshal([]byte(`null`), &p); err != nil || p != nil {
		t.Errorf("Unmarshal of null = %v, %v; want nil", p, err)
	}
	for _, bad := range []string{`[]`, `"x"`, `3`} {
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("Unmarshal of %s into Properties returned no error", bad)
		}
	}
}

func TestHostileDepth(t *testing.T) {
	deep := `{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`
	var f Finding
	if err := json.Unmarshal([]byte(deep), &f); err == nil {
		t.Error("20,000 levels were accepted")
	}
	legal := `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`
	if err := json.Unmarshal([]byte(legal), &f); err != nil || len(f.Extra["x"]) != 18000 {
		t.Errorf("9,000 levels: %d bytes, %v", len(f.Extra["x"]), err)
	}
}

// FuzzReport decodes any input. A report that is accepted survives a round trip.
func FuzzReport(f *testing.F) {
	f.Add([]byte(everywhere))
	f.Add([]byte(`{"findings":[null],"assets":[null],"dependencies":[null],"tool":null}`))
	f.Add([]byte(`{"Findings":[{"Title":"a","ſeverity":"b"}],"metadata":{"ID":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Report
		if json.Unmarshal(b, &r) != nil {
			return
		}
		first, err := json.Marshal(&r)
		if err != nil {
			t.Fatalf("decoded but not encoded: %v", err)
		}
		var again Report
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("not read back: %v in %s", err, first)
		}
		second, err := json.Marshal(&again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("the second round trip differs: %v\n%s\n%s", err, first, second)
		}
		_ = r.Validate()
	})
}
