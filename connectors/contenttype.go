package connectors

// IsText reports whether the record says that its whole value is the text of one
// document, by the header HeaderContentType.
func (r *Record) IsText() bool {
	for _, h := range r.Headers {
		if h.Name == HeaderContentType && string(h.Value) == ContentTypeText {
			return true
		}
	}
	return false
}
