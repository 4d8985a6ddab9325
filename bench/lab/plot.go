package lab

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Number writes a value as the report does: with three digits, or all before the point.
func Number(v float64) string {
	if math.Abs(v) >= 100 {
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// thousands puts commas into a whole number.
func thousands(digits string) string {
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func between(values []float64) string {
	return Number(slices.Min(values)) + "–" + Number(slices.Max(values))
}

// Of a plot, in pixels.
const (
	plotWidth = 760
	barsFrom  = 300
	barsWidth = 380
	lineHigh  = 30
)

// plot draws the first column: a bar up to the median, a line from the lowest run to
// the highest.
func (e Experiment) plot() string {
	figure, most := e.Columns[0], 0.0
	for _, m := range e.Measured {
		for _, v := range m.Values[figure] {
			most = max(most, v)
		}
	}
	high := lineHigh*(len(e.Measured)+1) + 10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="14">`, plotWidth, high)
	fmt.Fprintf(&b, "\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"10\" y=\"21\" font-weight=\"bold\">%s: %s</text>\n",
		plotWidth, high, html.EscapeString(e.Title), html.EscapeString(figure))
	for i, m := range e.Measured {
		if values := m.Values[figure]; len(values) > 0 {
			b.WriteString(m.bar(values, lineHigh*(i+1), barsWidth/most))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// bar is one contender's, at a height, with so many pixels for one.
func (m Measured) bar(values []float64, y int, scale float64) string {
	colour := "#9aa5b1"
	if strings.HasPrefix(m.Name, "Sluice") {
		colour = "#1f6feb"
	}
	x := func(v float64) float64 { return barsFrom + v*scale }
	middle := float64(y) + lineHigh/2
	return fmt.Sprintf("<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n", barsFrom-8, middle+5, html.EscapeString(m.Name)) +
		fmt.Sprintf("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", barsFrom, y+5, Median(values)*scale, lineHigh-10, colour) +
		fmt.Sprintf("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#000\" stroke-width=\"2\"/>\n", x(slices.Min(values)), middle, x(slices.Max(values))) +
		fmt.Sprintf("<text x=\"%.1f\" y=\"%.0f\">%s</text>\n", x(slices.Max(values))+6, middle+5, Number(Median(values)))
}
