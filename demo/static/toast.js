// The toast overlay: shows what `toast` events on window say. Their detail is
// {type or kind, text or message, href, timeout in ms}; it is data, never markup.
(() => {
  const TYPES = ['success', 'error', 'info'];
  const TIMEOUT = 5000;
  // A path of this site or http(s). `//` and `/\` would lead to another host, and so do control characters in between,
  // which browsers leave out.
  const LINK = /^(https?:\/\/|\/(?![/\\]))[^\x00-\x1f\x7f]*$/i;

  function line(text, href) {
    const isLink = LINK.test(href || '');
    const element = document.createElement(isLink ? 'a' : 'span');
    if (isLink) element.href = href;
    element.textContent = text;
    return element;
  }

  function closer(toast) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = '×';
    button.setAttribute('aria-label', 'Dismiss');
    button.onclick = () => toast.remove();
    return button;
  }

  window.addEventListener('toast', (event) => {
    const { type, kind, text, message, href, timeout = TIMEOUT } = event.detail || {};
    const look = TYPES.find((t) => t === (type || kind)) || 'info';
    const toast = document.createElement('div');
    toast.className = `toast toast-${look}`;
    toast.setAttribute('role', 'status');
    toast.setAttribute('data-toast', '');
    toast.append(line(text || message || '', href), closer(toast));
    document.getElementById('toasts').append(toast);
    setTimeout(() => toast.remove(), timeout);
  });
})();
