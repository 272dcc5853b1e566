package room

import (
	"chatd/room/order"
	"chatd/room/position"
)

// Recall implements order.Keeper.
func (o *ordered) Recall(answer func(behind order.Point, kept []order.Message)) {
	e := placements.Get().(*placement)
	e.kind, e.answer = recalls, answer
	o.tell(e)
}

// recall answers with what is kept behind the last gap.
func (o *ordered) recall(answer func(behind order.Point, kept []order.Message)) {
	h := o.hub
	head, limit := h.log.Head().Seq, uint64(h.server.config.History)
	begin := h.behindGaps(max(h.floor(), head-min(head, limit)), head)
	behind := order.Point{Seq: h.seq(begin), At: max(0, h.archive.time(begin))}
	var x Excerpt
	h.excerpt(&x, position.Since{Kind: position.Absent}, limit)
	kept := make([]order.Message, 0, len(x.known))
	for m := range x.All() {
		kept = append(kept, order.Message{ID: m.ID, Name: m.Name, Nonce: m.Nonce, Binary: m.Binary, Payload: m.Payload, Seq: m.Seq, At: m.At})
	}
	answer(behind, kept)
}
