// One dashboard, laid out as Grafana does: 24 columns, lines of 30 pixels, gaps of 8.
import { createRoot } from 'react-dom/client';
import { createTheme, dateTime, EventBusSrv, FieldColorModeId, FieldType, formattedValueToString, getDisplayProcessor, ThemeContext } from '@grafana/data';
import { BigValue, PanelContextProvider, TimeSeries } from '@grafana/ui';

const theme = createTheme({ colors: { mode: 'dark' } });
const gap = 8, line = 30, width = 1104;
const { board } = window;
const range = { from: dateTime(board.from), to: dateTime(board.to), raw: { from: 'now-1h', to: 'now' } };

// config is a field's, with what the dashboard says of its name alone.
function config({ fieldConfig: { defaults, overrides = [] } }, name, index) {
  const c = structuredClone({ color: { mode: FieldColorModeId.PaletteClassic }, ...defaults, displayName: name, displayNameFromDS: name });
  for (const o of overrides.filter((o) => o.matcher.options === name)) {
    for (const { id, value } of o.properties) c[id] = value;
  }
  c.custom = { ...c.custom, axisPlacement: 'auto', spanNulls: false, lineInterpolation: c.custom?.lineInterpolation ?? 'linear' };
  for (const s of c.thresholds?.steps ?? []) s.value ??= -Infinity;
  return [c, { seriesIndex: index }];
}

function frame(panel, s, index) {
  const [c, state] = config(panel, s.name, index);
  const numbers = s.values.filter((v) => v !== null);
  const min = Math.min(0, ...numbers), max = Math.max(...numbers);
  const value = {
    name: s.name, type: FieldType.number, config: c, values: s.values, labels: {},
    state: { ...state, displayName: s.name, range: { min, max, delta: max - min } },
  };
  value.display = getDisplayProcessor({ field: value, theme, timeZone: 'utc' });
  const time = { name: 'Time', type: FieldType.time, config: {}, values: s.times };
  time.display = getDisplayProcessor({ field: time, theme, timeZone: 'utc' });
  return { name: s.name, fields: [time, value], length: s.values.length };
}

const Nothing = ({ panel }) => <div style={{ textAlign: 'center', paddingTop: 20, color: theme.colors.text.secondary }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;

function Graph({ panel, w, h }) {
  const frames = panel.series.filter((s) => s.values.some((v) => v !== null)).map((s, i) => frame(panel, s, i));
  if (!frames.length) return <Nothing panel={panel} />;
  return <TimeSeries frames={frames} structureRev={1} width={w} height={h} timeRange={range} timeZone="utc" theme={theme}
    legend={{ ...panel.options.legend, calcs: [], showLegend: true }} options={panel.options} />;
}

function Stat({ panel, w, h }) {
  const lasts = panel.series.filter((s) => s.values.some((v) => v !== null)).sort((a, b) => a.times.at(-1) - b.times.at(-1));
  const s = lasts.at(-1);
  if (!s) return <Nothing panel={panel} />;
  const field = frame(panel, s, 0).fields[1];
  const shown = field.display(s.values.findLast((v) => v !== null));
  const byThreshold = getDisplayProcessor({ field: { ...field, config: { ...field.config, color: { mode: FieldColorModeId.Thresholds } } }, theme });
  const colour = field.config.color.mode === 'fixed' ? shown.color : byThreshold(shown.numeric).color;
  const sparkline = panel.options.graphMode === 'area' && s.values.length > 1
    ? { y: { ...field, config: { ...field.config, custom: {} } }, x: { name: 'Time', type: FieldType.time, config: {}, values: s.times }, timeRange: range } : undefined;
  const text = panel.options.textMode === 'name' ? s.name : formattedValueToString(shown);
  return <BigValue width={w} height={h} theme={theme} value={{ ...shown, text, prefix: '', suffix: '', title: '', color: colour }} sparkline={sparkline}
    colorMode="value" graphMode={panel.options.graphMode} justifyMode="auto" textMode="value" />;
}

function Panel({ panel }) {
  const column = width / 24;
  const at = panel.gridPos;
  const box = { position: 'absolute', left: at.x * column, top: at.y * (line + gap), width: at.w * column - gap, height: at.h * (line + gap) - gap };
  if (panel.type === 'row') return <div style={{ ...box, font: `500 15px ${theme.typography.fontFamily}`, lineHeight: '30px' }}>⌄ {panel.title}</div>;
  const Content = panel.type === 'stat' ? Stat : Graph;
  return <div style={{ ...box, background: theme.colors.background.primary, border: `1px solid ${theme.colors.border.weak}`, borderRadius: 4, overflow: 'hidden' }}>
    <div style={{ font: `500 13px ${theme.typography.fontFamily}`, padding: '7px 8px', height: 18 }}>{panel.title}</div>
    <div style={{ padding: '0 8px' }}><Content panel={panel} w={box.width - 18} h={box.height - 42} /></div>
  </div>;
}

const bottom = Math.max(...board.panels.map((p) => p.gridPos.y + p.gridPos.h)) * (line + gap);
const context = { eventsScope: 'global', eventBus: new EventBusSrv() };
document.body.style = `margin: 8px; background: ${theme.colors.background.canvas}; color: ${theme.colors.text.primary}; font: 12px ${theme.typography.fontFamily}`;
// Grafana's page makes buttons plain, of which legends are made.
document.head.append(Object.assign(document.createElement('style'), { textContent: 'button { all: unset; font: inherit; color: inherit }' }));
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <PanelContextProvider value={context}>
      <div style={{ font: `500 18px ${theme.typography.fontFamily}`, height: 34 }}>{board.title}</div>
      <div style={{ position: 'relative', height: bottom }}>{board.panels.map((p) => <Panel key={`${p.id}${p.check}`} panel={p} />)}</div>
    </PanelContextProvider>
  </ThemeContext.Provider>,
);
setTimeout(() => { window.drawn = true; }, 1500); // graphs are drawn frame by frame
