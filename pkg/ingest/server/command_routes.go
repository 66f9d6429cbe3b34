package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The default and the bound of the commands in one answer.
const (
	defaultCommandLimit = 10
	maxCommandLimit     = 100
)

// listCommands answers with a bare array, as the platform's clients expect it.
func (h *handler) listCommands(w http.ResponseWriter, r *http.Request, t *Tenant) {
	limit := defaultCommandLimit
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			h.fail(w, r, t, &badRequest{fmt.Errorf("limit %q: want a number", wire.Clip(s, 32))})
			return
		}
		limit = min(n, maxCommandLimit)
	}
	cmds, err := t.Commands(r.Context(), limit)
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	reply(w, http.StatusOK, cmds)
}

func (h *handler) addCommand(w http.ResponseWriter, r *http.Request, t *Tenant) {
	var cmd ingest.Command
	err := h.decodeSmall(w, r, t, maxSmallBody, &cmd)
	var added *ingest.Command
	if err == nil {
		added, err = t.AddCommand(cmd)
	}
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	reply(w, http.StatusCreated, added)
}

// commandState moves a command on; both spellings of the acknowledgement are known.
func (h *handler) commandState(w http.ResponseWriter, r *http.Request, t *Tenant) {
	id := r.PathValue("id")
	state, known := map[string]string{"ack": ingest.CommandAcknowledged, "acknowledge": ingest.CommandAcknowledged,
		"start": ingest.CommandRunning, "complete": ingest.CommandCompleted, "fail": ingest.CommandFailed}[r.PathValue("state")]
	if !known {
		h.refuse(w, r, t.name, http.StatusNotFound, ingest.CodeNotFound, "no such state of a command", nil)
		return
	}
	var body json.RawMessage
	err := h.decodeSmall(w, r, t, maxSmallBody, &body)
	if err == nil {
		err = t.setCommand(id, state, wire.Clip(r.Header.Get(wire.HeaderAgent), 256), body)
	}
	var none *errNoCommand
	switch {
	case errors.As(err, &none):
		h.refuse(w, r, t.name, http.StatusNotFound, ingest.CodeNotFound, err.Error(), nil)
	case err != nil:
		h.fail(w, r, t, err)
	default:
		reply(w, http.StatusOK, map[string]string{"id": id, "status": state})
	}
}
