// Offers each figure as SVG and PNG, and shows digests whole. Nothing else on the page needs a script.
"use strict";
(() => {
  const style = document.getElementById("figure-style").content.textContent;

  const standalone = (svg) => {
    const copy = svg.cloneNode(true);
    const { width, height } = svg.viewBox.baseVal;
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const element = document.createElementNS("http://www.w3.org/2000/svg", "style");
    element.textContent = style;
    copy.querySelector("desc").after(element);
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };

  // Browsers refuse to download addresses of more than about two million characters; blobs have no such limit.
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const saveRaster = ({ text, width, height }, name) => {
    const scale = 3;
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(scale * width);
      canvas.height = Math.round(scale * height);
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, name), "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  };

  for (const figure of document.querySelectorAll("figure")) {
    const svg = figure.querySelector("svg");
    const files = figure.querySelector(".files");
    const name = files.querySelector("a").download.replace(/\.csv$/, "");
    const offer = (label, action) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", action);
      files.append(" ", button);
    };
    offer("SVG", () => save(new Blob([standalone(svg).text], { type: "image/svg+xml" }), name + ".svg"));
    offer("PNG", () => saveRaster(standalone(svg), name + ".png"));
  }

  // What this page was told about its run ends with a command that takes the place of an artifact.
  const dialog = document.getElementById("artifact");
  const command = [...document.querySelectorAll("#run dd")].map((fact) => fact.textContent).find((fact) => fact.includes("TASK.ARTIFACT"));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[download]");
    if (link?.href.startsWith("data:text/csv")) {
      event.preventDefault();
      const text = decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1));
      save(new Blob([text], { type: "text/csv" }), link.download);
    }
    const digest = event.target.closest("button.digest");
    if (digest) {
      const [address, whole] = digest.title.split("\n");
      const show = (command ?? "mctune show PIPELINE 'TASK.ARTIFACT'").replace("TASK.ARTIFACT", address);
      dialog.querySelectorAll("dd").forEach((place, index) => (place.textContent = [address, whole, show][index]));
      dialog.showModal();
    } else if (event.target === dialog) {
      dialog.close();
    }
  });
})();
