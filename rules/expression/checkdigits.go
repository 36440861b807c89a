package expression

import (
	"regexp"
	"strings"
)

// validGTIN reports whether s is a GTIN of 8, 12, 13 or 14 digits whose last is
// the right check digit (GS1 General Specifications, section 7.9).
func validGTIN(s string) bool {
	switch len(s) {
	case 8, 12, 13, 14:
	default:
		return false
	}
	sum := 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		weight := 1
		if (len(s)-1-i)%2 == 1 {
			weight = 3
		}
		sum += int(s[i]-'0') * weight
	}
	return sum%10 == 0
}

// validLuhn reports whether s is digits with a right Luhn check digit (ISO/IEC 7812-1).
func validLuhn(s string) bool {
	if len(s) < 2 {
		return false
	}
	sum := 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		d := int(s[i] - '0')
		if (len(s)-1-i)%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanLengths are the lengths of IBANs by country (SWIFT IBAN registry).
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
	"BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
	"ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
	"HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
	"LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
	"MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
	"QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25,
	"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}

// validIBAN reports whether s is an IBAN (ISO 13616): blanks are ignored.
func validIBAN(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || ibanLengths[s[:2]] != len(s) {
		return false
	}
	remainder := 0
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			remainder = (remainder*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			remainder = (remainder*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return remainder == 1
}

// vatForms are the forms of VAT numbers in the EU, Northern Ireland, Great Britain,
// Switzerland and Norway (European Commission, VIES).
var vatForms = func() map[string]*regexp.Regexp {
	forms := map[string]string{
		"AT": `U\d{8}`, "BE": `[01]\d{9}`, "BG": `\d{9,10}`, "CY": `\d{8}[A-Z]`, "CZ": `\d{8,10}`,
		"DE": `\d{9}`, "DK": `\d{8}`, "EE": `\d{9}`, "EL": `\d{9}`, "ES": `[A-Z0-9]\d{7}[A-Z0-9]`,
		"FI": `\d{8}`, "FR": `[A-HJ-NP-Z0-9]{2}\d{9}`, "HR": `\d{11}`, "HU": `\d{8}`,
		"IE": `(\d[A-Z0-9+*]\d{5}[A-Z]|\d{7}[A-Z]{1,2})`, "IT": `\d{11}`, "LT": `(\d{9}|\d{12})`,
		"LU": `\d{8}`, "LV": `\d{11}`, "MT": `\d{8}`, "NL": `[A-Z0-9+*]{12}`, "PL": `\d{10}`,
		"PT": `\d{9}`, "RO": `\d{2,10}`, "SE": `\d{12}`, "SI": `\d{8}`, "SK": `\d{10}`,
		"XI": `(\d{9}|\d{12}|GD\d{3}|HA\d{3})`, "GB": `(\d{9}|\d{12}|GD\d{3}|HA\d{3})`,
		"CHE": `\d{9}(MWST|TVA|IVA)?`, "NO": `\d{9}(MVA)?`,
	}
	compiled := make(map[string]*regexp.Regexp, len(forms))
	for country, form := range forms {
		compiled[country] = regexp.MustCompile("^" + form + "$")
	}
	return compiled
}()

// validVAT reports whether s has the form of a VAT number of the country it names:
// blanks, points and hyphens are ignored. Whether the number was given to anybody
// only the country's register knows.
func validVAT(s string) bool {
	s = strings.NewReplacer(" ", "", ".", "", "-", "").Replace(s)
	if rest, ok := strings.CutPrefix(s, "CHE"); ok {
		return vatForms["CHE"].MatchString(rest)
	}
	if len(s) < 4 || vatForms[s[:2]] == nil {
		return false
	}
	return vatForms[s[:2]].MatchString(s[2:])
}
