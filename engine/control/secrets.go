package control

import (
	"reflect"
	"slices"

	"headgate/connectors"
	"headgate/rules"
)

// secretsOf returns the secrets a ruleset names, each once.
func secretsOf(set *rules.Ruleset) []connectors.Secret {
	var all []connectors.Secret
	for _, c := range set.Connectors {
		all = gather(all, reflect.ValueOf(c.Settings))
		for _, r := range c.Resources {
			all = gather(all, reflect.ValueOf(r.Settings))
		}
	}
	for _, a := range set.Alerts {
		all = gather(all, reflect.ValueOf(a.Webhook))
	}
	return all
}

// gather finds the secrets in a value of whatever a kind of connector is told.
func gather(all []connectors.Secret, v reflect.Value) []connectors.Secret {
	if !v.IsValid() {
		return all
	}
	if v.CanInterface() {
		if secret, ok := v.Interface().(connectors.Secret); ok {
			if secret != (connectors.Secret{}) && !slices.Contains(all, secret) {
				all = append(all, secret)
			}
			return all
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return gather(all, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			all = gather(all, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = gather(all, v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			all = gather(all, v.MapIndex(key))
		}
	}
	return all
}
