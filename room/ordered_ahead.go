package room

import (
	"slices"
	"time"

	"chatd/poller"
	"chatd/room/order"
	"chatd/room/position"
)

// This file is about newcomers who have heard on another server what is not here yet:
//
//	admit ──is ahead──▶ held ──▶ admitHeld ──it has come, or there is none──▶ hub.admit
//	                     │           ▲    └────nobody knows in time──▶ refused
//	                     └──Ask──▶ Source ──reaches──┘
//
// It is the hub's Task's.

// aheadTime is how long one waits who has heard on another server what is not here yet. A
// lost copy is found within a few seconds.
const aheadTime = 5 * time.Second

// held is one who does.
type held struct {
	change *change
	until  uint32 // the tick up to which it waits
	asked  bool   // the Source was asked whether there is such a message
	future bool   // there is none
}

// admit lets a newcomer in, or has it wait if it is ahead of this server.
func (o *ordered) admit(w *poller.Worker, ch *change) {
	if s := o.hub.server; s.config.Nodes != nil && o.isAhead(ch) {
		o.held = append(o.held, held{change: ch, until: s.after(aheadTime)})
		return
	}
	o.hub.admit(w, ch)
}

// isAhead reports whether a newcomer knows of a message that is not here yet.
func (o *ordered) isAhead(ch *change) bool {
	at := ch.since.Position
	return ch.since.Kind == position.At && at.Epoch == o.hub.epoch.Load() && at.Seq > o.top
}

// admitHeld lets those in for whom the server has caught up, or who know of a message that
// there is not. If nobody can tell that in time, they are refused: on another server they may
// have more luck.
func (o *ordered) admitHeld(w *poller.Worker) {
	if len(o.held) == 0 {
		return
	}
	h := o.hub
	source, asks := h.server.config.Order.(order.Asker)
	now, serves := h.server.now.Load(), h.server.stage.Load() == serving
	waiting := o.held
	o.held = nil
	for _, x := range waiting {
		late := !serves || now >= x.until
		switch {
		case !o.begun: // it begins anew
			o.waits = append(o.waits, x.change)
		case !o.isAhead(x.change) || x.future || late && !asks:
			h.admit(w, x.change)
		case late:
			o.refuseLate(w, x.change)
		default:
			o.held = append(o.held, x)
		}
	}
	if len(o.held) > 0 || len(o.waits) > 0 {
		h.keepActive(w)
	}
	if asks && !o.asking && now >= o.askAt && slices.ContainsFunc(o.held, func(x held) bool { return !x.asked }) {
		o.askFor(source)
	}
}

// askFor asks how far the room is, for all who wait; at most once a second.
func (o *ordered) askFor(source order.Asker) {
	o.askAt = o.hub.server.now.Load() + ticksPerSecond
	for i := range o.held {
		o.held[i].asked = true
	}
	o.asking = o.ask(func(order.Source) {
		source.Ask(o.hub.name, func(last uint64, err error) {
			e := placements.Get().(*placement)
			e.kind, e.point.Seq, e.err = reaches, last, err
			o.tell(e)
		})
	})
}

// reaches takes in which number the room's last message has, if that is known; else it
// is asked again.
func (o *ordered) reaches(last uint64, err error) {
	o.asking = false
	for i := range o.held {
		x := &o.held[i]
		x.future = x.asked && err == nil && x.change.since.Position.Seq > last
		x.asked = x.asked && err == nil
	}
}
