// Asks Prometheus what the panels of a dashboard ask, as Grafana would.

const pixels = 500; // a panel draws about as many points

// ask returns a dashboard with the answers in its panels: each has series of
// {name, times, values}, over a time in seconds.
export async function ask(prometheus, board, from, to) {
  const get = async (path, query) => {
    const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(query)}`);
    const body = await answer.json();
    if (body.status !== 'success') throw new Error(`${query.query}: ${body.error}`);
    return body.data;
  };
  const step = Math.max(1, Math.ceil((to - from) / pixels));
  const fill = (expr, check) => expr
    .replaceAll('$__rate_interval', `${Math.max(30, 4 * step)}s`).replaceAll('$__range', `${Math.round(to - from)}s`)
    .replaceAll('$job', '.+').replaceAll('$instance', '.+').replaceAll('$check', check);

  const series = async (target, check) => {
    const query = fill(target.expr, check);
    const { result } = target.instant
      ? await get('query', { query, time: to })
      : await get('query_range', { query, step, start: from, end: to });
    return result.map(({ metric, value, values = [value] }) => ({
      name: target.legendFormat.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? ''),
      times: values.map(([t]) => t * 1000),
      values: values.map(([, v]) => (v === 'NaN' ? null : Number(v))),
    }));
  };

  const checks = await get('label/metric/values', { 'match[]': 'sluice_rollout_analysis_value' });
  const panels = [];
  for (const panel of repeated(board.panels, checks)) {
    const answers = await Promise.all((panel.targets ?? []).map((t) => series(t, panel.check)));
    panels.push({ ...panel, series: answers.flat() });
  }
  return { title: board.title, from: from * 1000, to: to * 1000, panels };
}

// repeated lays out a panel that is there for each check, and moves down what stands
// below.
function repeated(panels, checks) {
  let down = 0;
  return panels.flatMap((panel) => {
    const at = { ...panel.gridPos, y: panel.gridPos.y + down };
    if (!panel.repeat) return [{ ...panel, gridPos: at, check: '' }];
    const w = 24 / Math.min(checks.length, panel.maxPerRow);
    down += (Math.ceil(checks.length / panel.maxPerRow) - 1) * at.h;
    return checks.map((check, i) => ({
      ...panel, check, title: panel.title.replace('$check', check),
      gridPos: { ...at, w, x: (i % panel.maxPerRow) * w, y: at.y + Math.floor(i / panel.maxPerRow) * at.h },
    }));
  });
}
