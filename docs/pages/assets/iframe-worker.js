// The search of a site that is opened as files. Browsers refuse workers there, so the
// worker's script runs in a hidden frame, which sees and sends the same messages.
if (location.protocol === "file:") {
  window.Worker = class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const scope = frame.contentWindow;
      scope.IFrameWorker = IFrameWorker;
      scope.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      const script = scope.document.createElement("script");
      script.src = url;
      script.onload = () => {
        this.scope = scope;
        this.waiting.splice(0).forEach((data) => this.postMessage(data));
      };
      script.onerror = () => this.dispatchEvent(new ErrorEvent("error"));
      scope.document.body.append(script);
    }

    postMessage(data) {
      if (this.scope) {
        this.scope.dispatchEvent(new MessageEvent("message", { data }));
      } else {
        this.waiting.push(data);
      }
    }
  };
  window.IFrameWorker = window.Worker;
}
