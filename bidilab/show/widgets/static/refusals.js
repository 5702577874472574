// Why a page has no audio, and what to do, in words. Pure.

const ELSEWHERE = 'or take the microphone of the kernel\'s machine: LiveSession(microphone="soundcard")';

/** @param error what the browser threw; `{name, message}`. @param host `navigator.userAgent`. */
export function refusalWords({ name, message }, host = "") {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      // VS Code shows a notebook's outputs in a frame that is never given a microphone, and asks nobody.
      return /\b(Code|Code - Insiders|VSCodium)\//.test(host)
        ? `VS Code gives a notebook's page no microphone: open the notebook in JupyterLab, ${ELSEWHERE}`
        : `the microphone is not allowed for this page: allow it beside the address of the page and start again, ${ELSEWHERE}`;
    case "NotFoundError":
      return `the browser finds no microphone: connect one and start again, ${ELSEWHERE}`;
    case "NotReadableError":
      return `the microphone cannot be opened, perhaps because another program uses it: ${message}`;
    default:
      return `the browser's audio could not be opened: ${name}: ${message}`;
  }
}
