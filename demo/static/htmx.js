// The one function of htmx that notifications need. As in htmx 1.9 and 2 the
// event bubbles and a missing element is an error.
window.htmx = {
  trigger(element, name, detail) {
    if (!element) throw new TypeError('htmx.trigger: no element');
    return element.dispatchEvent(new CustomEvent(name, { bubbles: true, cancelable: true, detail }));
  },
};
