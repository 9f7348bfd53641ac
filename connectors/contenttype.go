package connectors

// IsText reports whether the record says that its whole value is the text of one
// document, by the header HeaderContentType.
func (r *Record) IsText() bool { return r.contentType(ContentTypeText) }

// IsArrow reports whether the record says that its value is an Arrow IPC stream, whose rows
// are documents.
func (r *Record) IsArrow() bool { return r.contentType(ContentTypeArrow) }

func (r *Record) contentType(want string) bool {
	for _, h := range r.Headers {
		if h.Name == HeaderContentType && string(h.Value) == want {
			return true
		}
	}
	return false
}
