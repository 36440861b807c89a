// Package shopapi is an order API that misbehaves as real ones do, for tests,
// benchmarks and examples: it answers with errors before and after it has stored an
// order, resets, stalls, asks to be left alone, and stores an order twice when it is
// sent twice. It counts what it did, so that a test can hold headgate to it.
//
// It is no part of headgate as it is shipped, and knows nothing of it.
//
//	POST   /orders                        store an order, whatever is there already: 201
//	POST   /orders/bulk                   {"items": […]}: {"results": [{"status", "order" | "error"}]}
//	PATCH  /orders/bulk                   the same, each of an id
//	DELETE /orders/bulk                   the same
//	GET    /orders?page=&per_page=        {"data": {"items": […]}, "page", "pages"}
//	GET    /orders?external_id=&number=   those orders, once the lag has passed
//	GET    /orders?updated_since=         those that changed then or later, oldest first
//	GET    /orders/{id}                   one order: 404 where there is none
//	PATCH  /orders/{id}                   set some members; objects are merged
//	PUT    /orders/{id}                   replace an order
//	PUT    /orders/number/{number}        replace or store the order of this number: it may be repeated
//	DELETE /orders/{id}                   204, and 404 the second time
//	GET    /stats                         what was counted; it never fails
package shopapi
