package report

import "github.com/rediverio/sdk/internal/jsonx"

// Every object of the model is decoded and encoded by one of the pairs below, which keep unknown members in Extra.

// unmarshal decodes b into the struct that ptr points to, and the members that the struct has no field for into extra.
func unmarshal(b []byte, ptr any, extra *Extra) error {
	unknown, err := jsonx.Unmarshal(b, ptr)
	if err == nil {
		*extra = unknown
	}
	return err
}

// marshal encodes the struct that ptr points to.
func marshal(ptr any) ([]byte, error) { return jsonx.AppendStruct(nil, ptr) }

// MarshalJSON writes the report with its Extra members.
func (r Report) MarshalJSON() ([]byte, error) { return marshal(&r) }

// UnmarshalJSON reads the report and keeps unknown members in Extra.
func (r *Report) UnmarshalJSON(b []byte) error { return unmarshal(b, r, &r.Extra) }

// MarshalJSON writes the metadata with its Extra members.
func (m Metadata) MarshalJSON() ([]byte, error) { return marshal(&m) }

// UnmarshalJSON reads the metadata and keeps unknown members in Extra.
func (m *Metadata) UnmarshalJSON(b []byte) error { return unmarshal(b, m, &m.Extra) }

// MarshalJSON writes the branch with its Extra members.
func (x Branch) MarshalJSON() ([]byte, error) { return marshal(&x) }

// UnmarshalJSON reads the branch and keeps unknown members in Extra.
func (x *Branch) UnmarshalJSON(b []byte) error { return unmarshal(b, x, &x.Extra) }

// MarshalJSON writes the scope with its Extra members.
func (s Scope) MarshalJSON() ([]byte, error) { return marshal(&s) }

// UnmarshalJSON reads the scope and keeps unknown members in Extra.
func (s *Scope) UnmarshalJSON(b []byte) error { return unmarshal(b, s, &s.Extra) }

// MarshalJSON writes the tool with its Extra members.
func (t Tool) MarshalJSON() ([]byte, error) { return marshal(&t) }

// UnmarshalJSON reads the tool and keeps unknown members in Extra.
func (t *Tool) UnmarshalJSON(b []byte) error { return unmarshal(b, t, &t.Extra) }

// MarshalJSON writes the asset with its Extra members.
func (a Asset) MarshalJSON() ([]byte, error) { return marshal(&a) }

// UnmarshalJSON reads the asset and keeps unknown members in Extra.
func (a *Asset) UnmarshalJSON(b []byte) error { return unmarshal(b, a, &a.Extra) }

// MarshalJSON writes the dependency with its Extra members.
func (d Dependency) MarshalJSON() ([]byte, error) { return marshal(&d) }

// UnmarshalJSON reads the dependency and keeps unknown members in Extra.
func (d *Dependency) UnmarshalJSON(b []byte) error { return unmarshal(b, d, &d.Extra) }

// MarshalJSON writes the finding with its Extra members.
func (f Finding) MarshalJSON() ([]byte, error) { return marshal(&f) }

// UnmarshalJSON reads the finding and keeps unknown members in Extra.
func (f *Finding) UnmarshalJSON(b []byte) error { return unmarshal(b, f, &f.Extra) }

// MarshalJSON writes the location with its Extra members.
func (l Location) MarshalJSON() ([]byte, error) { return marshal(&l) }

// UnmarshalJSON reads the location and keeps unknown members in Extra.
func (l *Location) UnmarshalJSON(b []byte) error { return unmarshal(b, l, &l.Extra) }

// MarshalJSON writes the vulnerability with its Extra members.
func (v Vulnerability) MarshalJSON() ([]byte, error) { return marshal(&v) }

// UnmarshalJSON reads the vulnerability and keeps unknown members in Extra.
func (v *Vulnerability) UnmarshalJSON(b []byte) error { return unmarshal(b, v, &v.Extra) }

// MarshalJSON writes the secret with its Extra members.
func (s Secret) MarshalJSON() ([]byte, error) { return marshal(&s) }

// UnmarshalJSON reads the secret and keeps unknown members in Extra.
func (s *Secret) UnmarshalJSON(b []byte) error { return unmarshal(b, s, &s.Extra) }

// MarshalJSON writes the misconfiguration with its Extra members.
func (m Misconfiguration) MarshalJSON() ([]byte, error) { return marshal(&m) }

// UnmarshalJSON reads the misconfiguration and keeps unknown members in Extra.
func (m *Misconfiguration) UnmarshalJSON(b []byte) error { return unmarshal(b, m, &m.Extra) }

// MarshalJSON writes the suppression with its Extra members.
func (s Suppression) MarshalJSON() ([]byte, error) { return marshal(&s) }

// UnmarshalJSON reads the suppression and keeps unknown members in Extra.
func (s *Suppression) UnmarshalJSON(b []byte) error { return unmarshal(b, s, &s.Extra) }
