package server

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// field is a member of an object that readFields stores: a string, an integer, or members of a nested object.
type field struct {
	name string
	str  *string
	num  *int
	sub  []field
}

// readFields reads an object and stores the fields. bad is set if one of them has the wrong type, err if the text is not
// JSON, so that nothing after it can be read. A null leaves its field unchanged.
func (p *parser) readFields(fields []field) (bad, err error) {
	err = p.Members(func(name []byte) error {
		for i := range fields {
			if fields[i].name == string(name) {
				wrong, err := p.readField(&fields[i])
				if bad == nil && wrong != nil {
					bad = fmt.Errorf("%s: %w", fields[i].name, wrong)
				}
				return err
			}
		}
		_, err := p.Value()
		return err
	})
	return bad, err
}

var (
	errNotString = errors.New("want a string")
	errNotObject = errors.New("want an object")
)

func (p *parser) readField(f *field) (bad, err error) {
	if f.sub != nil && p.Peek() == '{' {
		return p.readFields(f.sub)
	}
	value, err := p.Value()
	if err != nil || value[0] == 'n' {
		return nil, err
	}
	switch {
	case f.str != nil:
		s, ok := jsonx.String(value)
		if !ok {
			return errNotString, nil
		}
		*f.str = s
	case f.num != nil:
		n, err := strconv.Atoi(string(value))
		if err != nil {
			return fmt.Errorf("want an integer, not %s", wire.Clip(string(value), 32)), nil
		}
		*f.num = n
	default:
		return errNotObject, nil
	}
	return nil, nil
}
