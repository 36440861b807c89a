package state

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// namesBucket says under which name the buckets of renamed ledgers are kept: a
// renamed ledger stays where it is, however large. A name whose ledger was given to
// another one stands there with no bucket, until a new ledger takes it.
var namesBucket = []byte("names")

// givenAway stands where the ledger of a name was given to another.
const givenAway = "\x00"

// bucketName returns the name of a ledger's bucket, "" when its name was given away.
func bucketName(tx *bolt.Tx, ledger string) string {
	if names := tx.Bucket(namesBucket); names != nil {
		if at := names.Get([]byte(ledger)); at != nil {
			if string(at) == givenAway {
				return ""
			}
			return string(at)
		}
	}
	return ledger
}

// bucketOf returns a ledger's bucket, nil when there is none.
func bucketOf(tx *bolt.Tx, ledger string) *bolt.Bucket {
	all, name := tx.Bucket(ledgersBucket), bucketName(tx, ledger)
	if all == nil || name == "" {
		return nil
	}
	return all.Bucket([]byte(name))
}

// freshName returns the name of the bucket that a new ledger gets: its own, unless
// that holds another one that was renamed.
func freshName(tx *bolt.Tx, all *bolt.Bucket, ledger string) (string, error) {
	if name := bucketName(tx, ledger); name != "" {
		return name, nil
	}
	for n := 2; ; n++ {
		name := fmt.Sprintf("%s\x00%d", ledger, n)
		if all.Bucket([]byte(name)) == nil {
			return name, tx.Bucket(namesBucket).Put([]byte(ledger), []byte(name))
		}
	}
}

// Rename implements engine.State.
func (db *DB) Rename(from, to string) error {
	return db.update(func(tx *bolt.Tx) error {
		at := bucketName(tx, from)
		if bucketOf(tx, from) == nil || bucketOf(tx, to) != nil {
			return nil // there is nothing to rename, or nothing to rename it to
		}
		names, err := tx.CreateBucketIfNotExists(namesBucket)
		if err != nil {
			return err
		}
		if err := names.Put([]byte(from), []byte(givenAway)); err != nil {
			return err
		}
		return names.Put([]byte(to), []byte(at))
	})
}

// ledgerNames returns the names of the ledgers there are, by the names of their buckets.
func ledgerNames(tx *bolt.Tx) (map[string]string, error) {
	owners := make(map[string]string)
	all := tx.Bucket(ledgersBucket)
	if all == nil {
		return owners, nil
	}
	if err := all.ForEachBucket(func(k []byte) error {
		owners[string(k)] = string(k)
		return nil
	}); err != nil {
		return nil, err
	}
	names := tx.Bucket(namesBucket)
	if names == nil {
		return owners, nil
	}
	return owners, names.ForEach(func(ledger, bucket []byte) error {
		if owners[string(bucket)] != "" {
			owners[string(bucket)] = string(ledger)
		}
		return nil
	})
}
