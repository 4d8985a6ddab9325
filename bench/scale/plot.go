package scale

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// line is one of a plot, over time from its beginning on.
type line struct {
	name   string
	colour string
	values []float64 // one for each step; NaN where there is none
}

// panel is a plot of lines with one scale, one above the other in a picture.
type panel struct {
	unit  string
	lines []line
}

// Of a picture, in pixels.
const (
	pictureWidth = 800
	panelHigh    = 190
	plotLeft     = 70
	plotRight    = 16
	plotTop      = 44
	plotBelow    = 26
	mostPoints   = 700
)

// picture is an SVG; step is the time between two values, marks are moments to draw.
func picture(title string, step time.Duration, marks []time.Duration, panels ...panel) string {
	var b strings.Builder
	high := plotTop + len(panels)*(panelHigh+plotBelow) + 8
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", pictureWidth, high)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">%s</text>\n", pictureWidth, high, html.EscapeString(title))
	for i, p := range panels {
		p.draw(&b, plotTop+i*(panelHigh+plotBelow), step, marks)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, top int, step time.Duration, marks []time.Duration) {
	most, length := 0.0, time.Duration(0)
	for _, l := range p.lines {
		for _, v := range l.values {
			if !math.IsNaN(v) {
				most = max(most, v)
			}
		}
		length = max(length, time.Duration(len(l.values))*step)
	}
	grid := nice(most / 4)
	most = grid * math.Ceil(most/grid)
	x := func(at time.Duration) float64 {
		return plotLeft + float64(at)/float64(length)*(pictureWidth-plotLeft-plotRight)
	}
	y := func(v float64) float64 { return float64(top) + (1-v/most)*(panelHigh-24) + 14 }
	for v := 0.0; v <= most*1.001; v += grid {
		fmt.Fprintf(b, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#555\">%s</text>\n",
			plotLeft, y(v), pictureWidth-plotRight, plotLeft-6, y(v)+4, rounded(v))
	}
	every := niceTime(length / 8)
	for at := time.Duration(0); at <= length; at += every {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#555\">%s</text>\n", x(at), y(0)+16, clock(at))
	}
	for _, at := range marks {
		fmt.Fprintf(b, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"#c0392b\" stroke-dasharray=\"4 3\"/>\n", x(at), y(0), y(most))
	}
	left := plotLeft
	fmt.Fprintf(b, "<text x=\"10\" y=\"%d\" fill=\"#555\">%s</text>\n", top+4, html.EscapeString(p.unit))
	for _, l := range p.lines {
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", left, top+4, l.colour, html.EscapeString(l.name))
		left += 8*len(l.name) + 16
		fmt.Fprintf(b, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", l.path(step, x, y), l.colour)
	}
}

// path joins the values; of several for one pixel, their mean.
func (l line) path(step time.Duration, x func(time.Duration) float64, y func(float64) float64) string {
	var b strings.Builder
	each, pen := max(1, (len(l.values)+mostPoints-1)/mostPoints), "M"
	for i := 0; i+each <= len(l.values); i += each {
		sum := 0.0
		for _, v := range l.values[i : i+each] {
			sum += v
		}
		if math.IsNaN(sum) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, x(time.Duration(i+each/2)*step), y(sum/float64(each)))
		pen = "L"
	}
	return b.String()
}

// nice is the next 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if step*power >= v {
			return step * power
		}
	}
	return 10 * power
}

func niceTime(d time.Duration) time.Duration {
	steps := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour}
	for _, step := range steps {
		if step >= d {
			return step
		}
	}
	return 6 * time.Hour
}

func clock(at time.Duration) string {
	if at >= time.Hour {
		return fmt.Sprintf("%d:%02d", int(at.Hours()), int(at.Minutes())%60)
	}
	return fmt.Sprintf("%d:%02d", int(at.Minutes()), int(at.Seconds())%60)
}

// pictureOf shows a run second by second, as the whole fleet has it, from where it is warm.
func pictureOf(title string, s Settings, m *measured) string {
	whole, warm := float64(million)/float64(s.Users), int(s.Warm/time.Second)
	of := func(count func(sample) int64) (values []float64) {
		for _, one := range m.seconds[warm:] {
			values = append(values, float64(count(one))*whole)
		}
		return values
	}
	var told []float64
	for _, d := range m.interval[warm:] {
		told = append(told, d.Seconds())
	}
	var marks []time.Duration
	for _, e := range s.Events {
		marks = append(marks, e.At-s.Warm)
	}
	return picture(title, time.Second, marks,
		panel{"a second", []line{
			{"polls", "#1f6feb", of(func(s sample) int64 { return s.polls })},
			{"that fail", "#c0392b", of(func(s sample) int64 { return s.failed })},
			{"reads of the source", "#2e8b57", of(func(s sample) int64 { return s.reads })},
		}},
		panel{"seconds", []line{
			{"the interval told", "#8e44ad", told},
			{"staleness, p95 of each 10 s", "#e08e0b", m.late(10 * time.Second)[warm:]},
		}})
}

// dayPicture shows a day, minute by minute.
func dayPicture(s Settings, m *measured) string {
	whole := float64(million) / float64(s.Users)
	of := func(count func(sample) int64) (values []float64) {
		for at := time.Duration(0); at < s.Length; at += time.Minute {
			values = append(values, whole*m.rate(at, at+time.Minute, count))
		}
		return values
	}
	var there, late []float64
	stale := m.late(15 * time.Minute)
	for i := 0; i < len(m.present); i += 60 {
		there = append(there, whole*float64(m.present[i]))
		late = append(late, stale[i])
	}
	return picture("A day of 1,000,000 users", time.Minute, nil,
		panel{"a second", []line{
			{"polls", "#1f6feb", of(func(s sample) int64 { return s.polls })},
			{"commands to Redis", "#8e44ad", of(sample.commands)},
			{"reads of the source", "#2e8b57", of(func(s sample) int64 { return s.reads })},
		}},
		panel{"", []line{{"browsers that are there", "#1f6feb", there}}},
		panel{"seconds", []line{{"staleness, p95 of each 15 minutes", "#e08e0b", late}}})
}
