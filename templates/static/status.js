// Reloads the status page's content when something happened, at most once a second.
// Without script the page reloads itself by <meta http-equiv="refresh">.
(function () {
  "use strict";
  if (!window.EventSource || !window.fetch) return;
  var base = document.body.getAttribute("data-base") || "";
  var waiting = false;
  function refresh() {
    if (waiting) return;
    waiting = true;
    setTimeout(function () {
      fetch(location.pathname + location.search, { credentials: "same-origin", cache: "no-store" })
        .then(function (r) { if (!r.ok) throw new Error("status " + r.status); return r.text(); })
        .then(function (html) {
          var next = new DOMParser().parseFromString(html, "text/html").querySelector("main");
          var now = document.querySelector("main");
          if (next && now) now.replaceWith(next);
        })
        .catch(function () { setTimeout(refresh, 5000); })
        .then(function () { waiting = false; });
    }, 1000);
  }
  var source = new EventSource(base + "/api/v1/events");
  source.onmessage = refresh;
  source.onopen = refresh;
})();
