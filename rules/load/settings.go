package load

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/connectors"
)

var (
	secretType   = reflect.TypeFor[connectors.Secret]()
	textType     = reflect.TypeFor[connectors.Text]()
	textsType    = reflect.TypeFor[map[string]connectors.Text]()
	logicType    = reflect.TypeFor[connectors.Logic]()
	durationType = reflect.TypeFor[time.Duration]()
)

// settings fills the struct that into points to from the arguments and blocks its
// hcl tags name. It decodes by itself, so that every mistake has its place and an
// unknown name a suggestion.
func (b *block) settings(into any) {
	v := reflect.ValueOf(into).Elem()
	var scope connectors.Scope
	if s, ok := into.(connectors.Scoped); ok {
		scope = s.Scope()
	}
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("hcl")
		if !ok {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		if option == "block" {
			b.settingsBlock(name, v.Field(i))
			continue
		}
		e := b.attr(name)
		if e == nil {
			if option != "optional" {
				b.fail(b.head, "missing", fmt.Sprintf("%s needs %s", b.name, name), v.Type().Field(i).Tag.Get("doc"))
			}
			continue
		}
		if words := v.Type().Field(i).Tag.Get("words"); words != "" {
			if w, ok := b.word(name, strings.Fields(words)...); ok {
				v.Field(i).SetString(w)
			}
			continue
		}
		if !b.scopedSetting(name, e, v.Field(i), scope) {
			b.setting(name, e, v.Field(i))
		}
	}
}

func (b *block) settingsBlock(name string, field reflect.Value) {
	found := b.blocks(name, 0)
	switch field.Kind() {
	case reflect.Slice:
		for _, x := range found {
			item := reflect.New(field.Type().Elem())
			if d, ok := item.Interface().(interface{ Defaults() }); ok {
				d.Defaults()
			}
			x.settings(item.Interface())
			x.done()
			field.Set(reflect.Append(field, item.Elem()))
		}
	case reflect.Pointer:
		if len(found) == 0 {
			return
		}
		if len(found) > 1 {
			found[1].fail(found[1].head, "twice", fmt.Sprintf("%s has more than one %s block", b.name, name), "keep one")
		}
		item := reflect.New(field.Type().Elem())
		if d, ok := item.Interface().(interface{ Defaults() }); ok {
			d.Defaults()
		}
		found[0].settings(item.Interface())
		found[0].done()
		field.Set(item)
	}
}

// setting sets one field. A secret takes only a reference to one (promise 10).
func (b *block) setting(name string, e hclsyntax.Expression, field reflect.Value) {
	switch {
	case field.Type() == secretType:
		if s, ok := b.secret(name, e); ok {
			field.Set(reflect.ValueOf(s))
		}
		return
	case field.Type() == durationType:
		field.SetInt(int64(b.duration(name, time.Duration(field.Int()))))
		return
	}
	switch field.Kind() {
	case reflect.String:
		if s, ok := b.textOf(e, name); ok {
			field.SetString(s)
		}
	case reflect.Bool:
		field.SetBool(b.boolean(name, field.Bool()))
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(b.l.source(e.Range()), 10, 64)
		if err != nil {
			b.fail(e.Range(), "type", fmt.Sprintf("%s must be a whole number", name), "")
			return
		}
		field.SetInt(n)
	case reflect.Pointer:
		value := reflect.New(field.Type().Elem())
		b.setting(name, e, value.Elem())
		field.Set(value)
	case reflect.Slice:
		field.Set(reflect.ValueOf(b.texts(name)))
	default:
		panic(fmt.Sprintf("load: a setting %s of type %s", name, field.Type()))
	}
}

// secret reads credential("name"), file("path") or env("NAME").
func (b *block) secret(name string, e hclsyntax.Expression) (connectors.Secret, bool) {
	const hint = `write credential("name"), file("/path") or env("NAME")`
	call, ok := e.(*hclsyntax.FunctionCallExpr)
	if !ok {
		b.fail(e.Range(), "secret", fmt.Sprintf("%s is a secret and is never written into a ruleset", name), hint)
		return connectors.Secret{}, false
	}
	sources := []string{"credential", "file", "env"}
	if !slices.Contains(sources, call.Name) {
		b.fail(call.NameRange, "secret", fmt.Sprintf("%s cannot come from %s(…)", name, call.Name), suggest(call.Name, sources))
		return connectors.Secret{}, false
	}
	if len(call.Args) == 1 {
		if s, ok := constantText(call.Args[0]); ok && s != "" {
			return connectors.Secret{From: call.Name, Name: s}, true
		}
	}
	b.fail(e.Range(), "secret", fmt.Sprintf("%s(…) takes one name in quotes", call.Name), hint)
	return connectors.Secret{}, false
}

// validate shows what a kind finds wrong with its own settings.
func (b *block) validate(settings any) {
	v, ok := settings.(interface{ Validate() error })
	if !ok {
		return
	}
	err := v.Validate()
	if err == nil {
		return
	}
	place := b.head
	if f, ok := errors.AsType[*connectors.FieldError](err); ok {
		if r, whole, found := b.find(f.Field); found {
			if b.l.wrongIn(whole) {
				return // it follows from what is told already
			}
			place = r
		}
		err = f.Err
	}
	b.fail(place, "setting", err.Error(), "")
}

// wrongIn reports whether an error stands in the range.
func (l *loader) wrongIn(r hcl.Range) bool {
	return slices.ContainsFunc(l.diagnostics, func(d Diagnostic) bool {
		return d.Severity == Error && d.File == r.Filename && r.Start.Line <= d.Line && d.Line <= r.End.Line
	})
}

// find returns the place of an argument or block by its path: csv.delimiter; and all
// of the block, or the argument again.
func (b *block) find(path string) (place, whole hcl.Range, found bool) {
	body, rest := b.body, path
	for {
		name, more, nested := strings.Cut(rest, ".")
		if a, ok := body.Attributes[name]; ok {
			return a.Expr.Range(), a.Expr.Range(), true
		}
		i := slices.IndexFunc(body.Blocks, func(x *hclsyntax.Block) bool { return x.Type == name })
		if i < 0 {
			return hcl.Range{}, hcl.Range{}, false
		}
		if !nested {
			return body.Blocks[i].TypeRange, body.Blocks[i].Range(), true
		}
		body, rest = body.Blocks[i].Body, more
		if len(body.Attributes) == 0 && len(body.Blocks) == 0 {
			return b.head, b.head, true
		}
	}
}

// zone loads a time zone by name.
func (b *block) zone(name string) *time.Location {
	s, r, ok := b.text(name)
	if !ok {
		return nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "" {
		hint := `for example "Europe/Berlin"`
		if errors.Is(err, os.ErrNotExist) {
			hint = "the time zone database of this system is missing"
		}
		b.fail(r, "zone", fmt.Sprintf("%q is not a time zone", s), hint)
		return nil
	}
	return zone
}
