package record

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// The bounds of a Number: more digits, or an exponent further from zero, are refused.
const (
	MaxDigits   = 38
	MaxExponent = 30
)

// ErrInexact says that a result has no exact form in MaxDigits digits.
// Only an explicit rounding may drop digits.
var ErrInexact = errors.New("the result is not exact in 38 digits: round it, for example round(x, 2)")

// ErrNumber says that a text is not a number headgate can hold exactly.
var ErrNumber = errors.New("not a number")

// Number is an exact decimal number of at most MaxDigits digits. It keeps the
// digits after the point it was written with: 1.50 is printed 1.50 and equals 1.5.
// Its zero value is 0.
type Number struct {
	coef  int64 // the digits, when big is nil
	scale int32 // digits after the point, never negative, when big is nil
	big   *apd.Decimal
}

// exact refuses every result that would have to be rounded.
var exact = apd.Context{
	Precision:   MaxDigits,
	MaxExponent: 2 * MaxDigits,
	MinExponent: -2 * MaxDigits,
	Traps:       apd.DefaultTraps | apd.Inexact | apd.Rounded | apd.Subnormal | apd.Clamped,
}

// NewNumber returns coef / 10^scale.
func NewNumber(coef int64, scale int32) Number { return Number{coef: coef, scale: scale} }

// IntNumber returns the whole number n.
func IntNumber(n int64) Number { return Number{coef: n} }

var powers = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// fromBig brings d into range: no negative scale, small when it fits.
func fromBig(d *apd.Decimal) (Number, error) {
	if d.Exponent > MaxExponent || d.Exponent < -MaxExponent-MaxDigits {
		return Number{}, ErrInexact
	}
	if d.IsZero() {
		return Number{scale: min(max(-d.Exponent, 0), MaxExponent)}, nil
	}
	if d.Exponent > 0 {
		wide := new(apd.Decimal)
		if _, err := exact.Quantize(wide, d, 0); err != nil {
			return Number{}, ErrInexact
		}
		d = wide
	}
	if d.NumDigits() > MaxDigits || d.Exponent < -MaxExponent {
		reduced := new(apd.Decimal)
		reduced.Reduce(d)
		if reduced.NumDigits() > MaxDigits || reduced.Exponent < -MaxExponent {
			return Number{}, ErrInexact
		}
		if reduced.Exponent > 0 {
			return fromBig(reduced)
		}
		d = reduced
	}
	if d.Coeff.IsInt64() {
		coef := d.Coeff.Int64()
		if d.Negative {
			coef = -coef
		}
		return Number{coef: coef, scale: -d.Exponent}, nil
	}
	return Number{big: d}, nil
}

func mustBig(text string) Number {
	d, _, err := apd.NewFromString(text)
	if err != nil {
		panic("record: a decimal value holds " + strconv.Quote(text))
	}
	return Number{big: d}
}

func (n Number) toBig() *apd.Decimal {
	if n.big != nil {
		return n.big
	}
	return apd.New(n.coef, -n.scale)
}

// Add returns n + m, or ErrInexact.
func (n Number) Add(m Number) (Number, error) {
	if a, b, scale, ok := align(n, m); ok {
		if sum := a + b; (sum > a) == (b > 0) {
			return Number{coef: sum, scale: scale}, nil
		}
	}
	d := new(apd.Decimal)
	if _, err := exact.Add(d, n.toBig(), m.toBig()); err != nil {
		return Number{}, ErrInexact
	}
	return fromBig(d)
}

// Sub returns n - m, or ErrInexact.
func (n Number) Sub(m Number) (Number, error) { return n.Add(m.Neg()) }

// Mul returns n × m, or ErrInexact.
func (n Number) Mul(m Number) (Number, error) {
	if n.big == nil && m.big == nil && n.scale+m.scale <= MaxExponent {
		high, low := bits.Mul64(magnitude(n.coef), magnitude(m.coef))
		if high == 0 && low <= math.MaxInt64 {
			product := int64(low)
			if (n.coef < 0) != (m.coef < 0) {
				product = -product
			}
			return Number{coef: product, scale: n.scale + m.scale}, nil
		}
	}
	d := new(apd.Decimal)
	if _, err := exact.Mul(d, n.toBig(), m.toBig()); err != nil {
		return Number{}, ErrInexact
	}
	return fromBig(d)
}

// Quo returns n / m, ErrInexact when the division does not end, or an error when m is 0.
func (n Number) Quo(m Number) (Number, error) {
	if m.Sign() == 0 {
		return Number{}, errors.New("division by zero")
	}
	d := new(apd.Decimal)
	if _, err := exact.Quo(d, n.toBig(), m.toBig()); err != nil {
		return Number{}, ErrInexact
	}
	d.Reduce(d)
	return fromBig(d)
}

// QuoRound returns n / m rounded half away from zero to places digits after the point.
func (n Number) QuoRound(m Number, places int32) (Number, error) {
	if m.Sign() == 0 {
		return Number{}, errors.New("division by zero")
	}
	// Twice the digits, truncated: enough that rounding the quotient once more is right,
	// with a sticky digit for what was cut off.
	wide := apd.Context{Precision: 3 * MaxDigits, MaxExponent: 200, MinExponent: -200, Rounding: apd.RoundDown, Traps: apd.DefaultTraps}
	d := new(apd.Decimal)
	if _, err := wide.Quo(d, n.toBig(), m.toBig()); err != nil {
		return Number{}, ErrInexact
	}
	return roundBig(d, places)
}

// Round returns n rounded half away from zero to places digits after the point.
func (n Number) Round(places int32) (Number, error) {
	if n.big == nil && places >= 0 && n.scale <= places {
		return n.rescale(places)
	}
	return roundBig(n.toBig(), places)
}

// rescale adds zeros after the point where they fit.
func (n Number) rescale(places int32) (Number, error) {
	if n.big == nil && places-n.scale < int32(len(powers)) {
		if coef, ok := timesPower(n.coef, places-n.scale); ok && places <= MaxExponent {
			return Number{coef: coef, scale: places}, nil
		}
	}
	return n, nil
}

func roundBig(d *apd.Decimal, places int32) (Number, error) {
	if places < 0 || places > MaxExponent {
		return Number{}, fmt.Errorf("round to %d places: use 0 to %d", places, MaxExponent)
	}
	half := apd.Context{Precision: 4 * MaxDigits, MaxExponent: 200, MinExponent: -200, Rounding: apd.RoundHalfUp, Traps: apd.DefaultTraps}
	r := new(apd.Decimal)
	if _, err := half.Quantize(r, d, -places); err != nil {
		return Number{}, ErrInexact
	}
	return fromBig(r)
}

// Neg returns -n.
func (n Number) Neg() Number {
	if n.big == nil && n.coef != math.MinInt64 {
		return Number{coef: -n.coef, scale: n.scale}
	}
	d := new(apd.Decimal)
	d.Neg(n.toBig())
	return Number{big: d}
}

// Abs returns n without its sign.
func (n Number) Abs() Number {
	if n.Sign() < 0 {
		return n.Neg()
	}
	return n
}

// Sign returns -1, 0 or 1.
func (n Number) Sign() int {
	if n.big != nil {
		return n.big.Sign()
	}
	return compare(n.coef, 0)
}

// Cmp orders n and m by value: -1, 0 or 1.
func (n Number) Cmp(m Number) int {
	if a, b, _, ok := align(n, m); ok {
		return compare(a, b)
	}
	return n.toBig().Cmp(m.toBig())
}

// Scale returns the digits after the point as n was written.
func (n Number) Scale() int32 {
	if n.big != nil {
		return max(-n.big.Exponent, 0)
	}
	return n.scale
}

// Reduce returns n without zeros at the end of its fraction: 1.50 as 1.5, 10.0 as 10.
func (n Number) Reduce() Number {
	if n.big != nil {
		d := new(apd.Decimal)
		d.Reduce(n.big)
		if d.Exponent > 0 {
			d.Set(n.big)
			_, _ = exact.Quantize(d, n.big, 0)
		}
		if d.Coeff.IsInt64() {
			if small, err := fromBig(d); err == nil {
				return small
			}
		}
		return Number{big: d}
	}
	for n.scale > 0 && n.coef%10 == 0 {
		n.coef /= 10
		n.scale--
	}
	return n
}

// Int64 returns n as a whole number, and whether it is one that fits.
func (n Number) Int64() (int64, bool) {
	r := n.Reduce()
	if r.big != nil && r.big.Exponent == 0 { // the least int64 has a greater magnitude than any other
		i, err := r.big.Int64()
		return i, err == nil
	}
	if r.big != nil || r.scale != 0 {
		return 0, false
	}
	return r.coef, true
}

// Float returns the double whose shortest text has the digits of n, and whether
// there is one. Up to 15 digits any number has: then digits and power of ten are
// exact doubles, and their quotient is the nearest there is.
func (n Number) Float() (f float64, exact bool) {
	r := n.Reduce()
	if r.big == nil && magnitude(r.coef) < 1e15 && int(r.scale) < 16 {
		return float64(r.coef) / float64(powers[r.scale]), true
	}
	text := r.String()
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && strconv.FormatFloat(f, 'f', -1, 64) == text
}

// Append appends the plain text of n, without exponent.
func (n Number) Append(dst []byte) []byte {
	if n.big != nil {
		return n.big.Append(dst, 'f')
	}
	if n.scale == 0 {
		return strconv.AppendInt(dst, n.coef, 10)
	}
	if n.coef < 0 {
		dst = append(dst, '-')
	}
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], magnitude(n.coef), 10)
	whole := len(digits) - int(n.scale)
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}

// String returns the plain text of n.
func (n Number) String() string { return string(n.Append(nil)) }

// align brings two small numbers to one scale, where that fits in 64 bits.
func align(n, m Number) (a, b int64, scale int32, ok bool) {
	if n.big != nil || m.big != nil {
		return 0, 0, 0, false
	}
	if n.scale == m.scale {
		return n.coef, m.coef, n.scale, true
	}
	if n.scale < m.scale {
		a, ok = timesPower(n.coef, m.scale-n.scale)
		return a, m.coef, m.scale, ok
	}
	b, ok = timesPower(m.coef, n.scale-m.scale)
	return n.coef, b, n.scale, ok
}

func timesPower(coef int64, power int32) (int64, bool) {
	if coef == 0 {
		return 0, true
	}
	if int(power) >= len(powers) {
		return 0, false
	}
	high, low := bits.Mul64(magnitude(coef), uint64(powers[power]))
	if high != 0 || low > math.MaxInt64 {
		return 0, false
	}
	if coef < 0 {
		return -int64(low), true
	}
	return int64(low), true
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-(n + 1)) + 1
	}
	return uint64(n)
}
