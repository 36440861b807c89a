package http

// The names that texts and logics may use beside columns.
const (
	nameID        = "id"        // of texts: the id the system gave the record
	nameReference = "reference" // of texts: headgate's name of the record
	nameCursor    = "cursor"    // of texts: where reading goes on
	nameStatus    = "status"    // of logics: the status of an answer
	nameBody      = "body"      // of logics: what stands in an answer, by path
	nameHeaders   = "headers"   // of logics: its headers, by their names in lower case
)

// The formats of answers.
const (
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatXML   = "xml"
)
