// Package record reads and writes the JSON lines that the jobs (infill, rewrite,
// score) work on. It knows what every job's record has in common, an id, a text
// and fields that are none of our business, and nothing of blanks or tokens.
//
// Rules that hold for every record:
//
//   - A record is one JSON object in UTF-8. A byte order mark in front is skipped.
//   - "id" is a string or a number and is optional; it comes back as written.
//   - "text" is a string. Bytes that JSON cannot carry come as "text_b64" instead.
//     In output, text that is not valid UTF-8 shows U+FFFD for each byte that is
//     not, and stands beside, whole, as "bytes_b64". A record with "text" and
//     "bytes_b64" is read the same way, so each output line is a valid input line.
//   - null is the same as leaving a known field out.
//   - A duplicate name is an error.
//   - Other fields pass through byte for byte, in their order, behind ours. (Line
//     breaks between their JSON tokens become spaces: output is one line a record.)
//     One that carries the name of a field the job writes is replaced by it.
//   - A name within two edits of a known field that the record lacks is taken for a
//     slip and refused (short names: "end" one edit, "id" only other case). Where the
//     known field is there too, the other is no slip and passes. With Strict, every
//     field that the job does not read is refused.
package record
