package engine

import "strings"

// joinKey joins the parts of a key by "/". In a key of several parts, a "/" of a part
// itself is written \/, and a \ is written \\: what is shown can be given back.
func joinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	escape := strings.NewReplacer(`\`, `\\`, `/`, `\/`)
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = escape.Replace(part)
	}
	return strings.Join(escaped, "/")
}

// splitKey undoes joinKey for a key of n parts.
func splitKey(text string, n int) []string {
	if n == 1 {
		return []string{text}
	}
	parts := []string{""}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '/':
			parts = append(parts, "")
			continue
		case c == '\\' && i+1 < len(text) && (text[i+1] == '/' || text[i+1] == '\\'):
			i++
		}
		parts[len(parts)-1] += text[i : i+1]
	}
	return parts
}
