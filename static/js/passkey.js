// A form that takes a security key: `data-options` is what the browser is asked, the answer goes into its hidden field.

(() => {
  const form = document.querySelector("form[data-options]");
  const key = window.PublicKeyCredential;
  if (!form || !key?.parseCreationOptionsFromJSON) return;
  const said = form.querySelector("[role=status]");

  form.querySelector("button").hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "Touch your key.";
    try {
      const { publicKey } = JSON.parse(form.dataset.options);
      const found = publicKey.user
        ? await navigator.credentials.create({ publicKey: key.parseCreationOptionsFromJSON(publicKey) })
        : await navigator.credentials.get({ publicKey: key.parseRequestOptionsFromJSON(publicKey) });
      form.elements.credential.value = JSON.stringify(found);
      form.submit();
    } catch ({ message }) {
      said.textContent = `No key was taken: ${message}`;
    }
  });
})();
