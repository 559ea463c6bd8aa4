// The browser's half of a WebAuthn ceremony: hands the page's options to the authenticator and its answer to the form.
// Everything else works without it; the forms say so where it does not run.
(function () {
  "use strict";
  var forms = document.querySelectorAll("form[data-passkey]");
  var waiting = null;

  function bytes(text) {
    var binary = window.atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    var array = new Uint8Array(binary.length);
    for (var i = 0; i < binary.length; i++) { array[i] = binary.charCodeAt(i); }
    return array;
  }

  function text(buffer) {
    if (!buffer) { return null; }
    var array = new Uint8Array(buffer), binary = "";
    for (var i = 0; i < array.length; i++) { binary += String.fromCharCode(array[i]); }
    return window.btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function named(list) {
    (list || []).forEach(function (one) { one.id = bytes(one.id); });
  }

  // The options as the server wrote them, with bytes for texts.
  function options(form) {
    var read = JSON.parse(form.getAttribute("data-options"));
    read.challenge = bytes(read.challenge);
    if (read.user) { read.user.id = bytes(read.user.id); }
    named(read.excludeCredentials);
    named(read.allowCredentials);
    return read;
  }

  function answer(credential) {
    var response = credential.response, said = { clientDataJSON: text(response.clientDataJSON) };
    if (response.attestationObject) {
      said.attestationObject = text(response.attestationObject);
      said.transports = response.getTransports ? response.getTransports() : [];
    } else {
      said.authenticatorData = text(response.authenticatorData);
      said.signature = text(response.signature);
      said.userHandle = text(response.userHandle);
    }
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: said,
      clientExtensionResults: credential.getClientExtensionResults()
    });
  }

  function show(form, what) {
    var lines = form.querySelectorAll("[data-passkey-says]");
    for (var i = 0; i < lines.length; i++) {
      lines[i].hidden = lines[i].getAttribute("data-passkey-says") !== what;
    }
  }

  function send(form, credential) {
    form.querySelector("[name=code]").value = answer(credential);
    form.submit();
  }

  function ask(form) {
    var make = form.getAttribute("data-passkey") === "create";
    var request = { publicKey: options(form) };
    if (waiting) { waiting.abort(); waiting = null; }
    show(form, "");
    (make ? navigator.credentials.create(request) : navigator.credentials.get(request)).then(
      function (credential) { send(form, credential); },
      // Which of the many reasons it was, browsers do not tell (Level 3 §14.5.1); one is worth a sentence of its own.
      function (error) { show(form, make && error.name === "InvalidStateError" ? "present" : "failed"); }
    );
  }

  // Passkeys among what the browser offers for the name (Level 3 §5.1.4, conditional mediation).
  function offer(form) {
    var known = window.PublicKeyCredential.isConditionalMediationAvailable;
    if (!form.hasAttribute("data-conditional") || !known || !window.AbortController) { return; }
    window.PublicKeyCredential.isConditionalMediationAvailable().then(function (available) {
      if (!available) { return; }
      waiting = new AbortController();
      var request = { publicKey: options(form), mediation: "conditional", signal: waiting.signal };
      navigator.credentials.get(request).then(function (credential) { send(form, credential); }, function () {});
    }, function () {});
  }

  for (var i = 0; i < forms.length; i++) {
    (function (form) {
      if (!window.PublicKeyCredential || !navigator.credentials) { show(form, "unsupported"); return; }
      form.querySelector("[data-passkey-button]").hidden = false;
      form.addEventListener("submit", function (event) { event.preventDefault(); ask(form); });
      offer(form);
    })(forms[i]);
  }
})();
