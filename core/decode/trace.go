package decode

// EventKind says what happened to a position.
type EventKind uint8

const (
	// Committed means that the token became known.
	Committed EventKind = iota
	// Accepted means that the token of a draft stayed, and became known.
	Accepted
	// Refused means that the token of a draft did not stay; the position's new one is
	// committed next, and Dropped tokens behind it in the draft were not looked at.
	Refused
	// Reopened means that the position is blank again; the token stood there.
	Reopened
	// Checked means that the token, which stands there, was judged given all else.
	Checked
)

// Event is one thing that happened to a position while a document was decoded. A document
// has at most two events a blank and four a unit of its budget (strategy.Budget), whatever
// the strategy does: filling a position again, and checking it, is paid for.
type Event struct {
	Kind     EventKind
	Step     int32 // the decision that made it happen, from 0
	Group    int32 // of Committed and Accepted: index of the group, as counted then; else -1
	Dropped  int32 // of Refused
	Position int32
	Token    int32
	LogProb  float64 // the model's own, in nats: of Committed and Accepted as it was then, of Checked given all else; else 0
}

// note remembers an event, if the engine traces.
func (s *Session) note(e Event) {
	if s.engine.options.Trace {
		s.events = append(s.events, e)
	}
}

// noteGroup remembers tokens that become known as the next group.
func (s *Session) noteGroup(kind EventKind, group []chosen) {
	if !s.engine.options.Trace {
		return
	}
	for _, c := range group {
		s.note(Event{Kind: kind, Step: int32(s.steps), Group: int32(len(s.groups)), Position: c.position, Token: c.token, LogProb: c.logProb})
	}
}

// noteLater remembers what a decision that was already counted did to a filled position.
func (s *Session) noteLater(kind EventKind, p int32, logProb float64) {
	s.note(Event{Kind: kind, Step: int32(s.steps - 1), Group: -1, Position: p, Token: s.tokens[p], LogProb: logProb})
}

// noteRefused remembers that the j-th token of the draft did not stay.
func (s *Session) noteRefused(j int) {
	d := &s.draft
	s.note(Event{Kind: Refused, Step: int32(s.steps), Group: -1, Dropped: int32(len(d.position) - j - 1), Position: d.position[j], Token: d.token[j]})
}
