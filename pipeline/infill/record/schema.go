package record

import (
	"slices"
	"strings"
)

// Schema names the fields of an object that a job knows. All others are the
// user's own.
type Schema struct {
	Read  []string // read by the job, and not passed through
	Write []string // written by the job: replaces a field of that name in the input
}

// The three ways to give a text are one field as far as slips go: who gave one
// of them did not mean another by "texts".
func textNames() []string { return []string{"text", "text_b64", "bytes_b64"} }

// Check looks for slips among the names of o: names the schema does not know, but
// nearly, and, if strict, all that it does not read.
func (s Schema) Check(o Object, path string, strict bool) error {
	for _, f := range o {
		if slices.Contains(s.Read, f.Name) {
			continue
		}
		if strict {
			return &Error{Field: join(path, f.Name), Reason: "unknown, and unknown fields are refused (strict)",
				Remedy: "leave it out; known are " + strings.Join(s.Read, ", ")}
		}
		if slices.Contains(s.Write, f.Name) {
			continue
		}
		for _, known := range s.Read {
			if near(f.Name, known) && !given(o, known) {
				return &Error{Field: join(path, f.Name), Reason: "unknown, but nearly \"" + known + "\", so it is taken for a slip",
					Remedy: "rename it; did you mean \"" + known + "\"?"}
			}
		}
	}
	return nil
}

// Rest returns the fields of o that pass through.
func (s Schema) Rest(o Object) Object {
	var rest Object
	for _, f := range o {
		if !slices.Contains(s.Read, f.Name) && !slices.Contains(s.Write, f.Name) {
			rest = append(rest, f)
		}
	}
	return rest
}

func given(o Object, name string) bool {
	same := []string{name}
	if slices.Contains(textNames(), name) {
		same = textNames()
	}
	return slices.ContainsFunc(o, func(f Field) bool { return slices.Contains(same, f.Name) })
}
