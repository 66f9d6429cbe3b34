package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// ResponseError is the error that a server answers with. It is the answer to the call: the server is as good as before.
type ResponseError struct {
	Code    int64           `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *ResponseError) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// The codes of JSON-RPC that this side answers with.
const (
	codeMethodNotFound = -32601
	codeInternal       = -32603
)

// message is any message of JSON-RPC 2.0.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *ResponseError  `json:"error,omitempty"`
}

// isCall says whether the message is a request or a notification, which is one without an ID.
func (m *message) isCall() bool { return m.Method != "" }

// callID returns the number of the call that an answer is to.
func (m *message) callID() (int64, error) {
	id, err := strconv.ParseInt(string(m.ID), 10, 64)
	if err != nil {
		text := "an answer to no call"
		if m.Error != nil {
			text += ": " + m.Error.Error()
		}
		return 0, errors.New(text)
	}
	return id, nil
}

// parse reads a message.
func parse(b []byte) (*message, error) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("no message: %.80q: %w", b, err)
	}
	if m.Version != "2.0" && m.Version != "" { // some leave it out
		return nil, fmt.Errorf("a message of JSON-RPC %.20q", m.Version)
	}
	if bytes.Equal(m.ID, []byte("null")) {
		m.ID = nil
	}
	if !m.isCall() && m.Result == nil && m.Error == nil {
		return nil, fmt.Errorf("neither call nor answer: %.80q", b)
	}
	return &m, nil
}

// call returns the request with this ID, or with a nil ID the notification.
func call(id json.RawMessage, method string, params any) ([]byte, error) {
	m := message{Version: "2.0", ID: id, Method: method}
	if params != nil {
		b, err := json.Marshal(params)
		if err != nil {
			return nil, fmt.Errorf("parameters: %w", err)
		}
		m.Params = b
	}
	return json.Marshal(&m)
}

// answer returns the answer to a request.
func answer(id json.RawMessage, result any, err error) []byte {
	m := message{Version: "2.0", ID: id}
	if err == nil {
		m.Result, err = json.Marshal(result)
	}
	if err != nil {
		var re *ResponseError
		if !errors.As(err, &re) {
			re = &ResponseError{Code: codeInternal, Message: err.Error()}
		}
		m.Result, m.Error = nil, re
	}
	b, err := json.Marshal(&m)
	if err != nil { // the data of an error is no JSON
		b, _ = json.Marshal(&message{Version: "2.0", ID: id, Error: &ResponseError{Code: codeInternal, Message: err.Error()}})
	}
	return b
}
