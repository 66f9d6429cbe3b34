package server

import (
	"fmt"
	"strconv"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// field is a member of an object that is wanted: a string, an integer, or members of the object that it is.
type field struct {
	name string
	str  *string
	num  *int
	sub  []field
}

// pick reads an object and fills in the fields. bad says that one of them is not of its type; err that the text is no
// JSON, so that nothing behind it can be read. A null leaves its field as it is.
func (s *scanner) pick(fields []field) (bad, err error) {
	err = s.members(func(name []byte) error {
		for i := range fields {
			if fields[i].name == string(name) {
				wrong, err := s.take(&fields[i])
				if bad == nil && wrong != nil {
					bad = fmt.Errorf("%s: %w", fields[i].name, wrong)
				}
				return err
			}
		}
		_, err := s.value()
		return err
	})
	return bad, err
}

func (s *scanner) take(f *field) (bad, err error) {
	if f.sub != nil && s.peek() == '{' {
		return s.pick(f.sub)
	}
	value, err := s.value()
	if err != nil || value[0] == 'n' {
		return nil, err
	}
	switch {
	case f.str != nil:
		*f.str, bad = text(value)
	case f.num != nil:
		if *f.num, bad = strconv.Atoi(string(value)); bad != nil {
			bad = fmt.Errorf("want an integer, not %s", wire.Clip(string(value), 32))
		}
	default:
		bad = errNoObject
	}
	return bad, nil
}
