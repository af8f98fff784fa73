// Offers each figure as SVG and PNG. Nothing else on the page needs a script.
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

  const save = (address, name) => {
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
  };

  const address = (text) => "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);

  const saveRaster = ({ text, width, height }, name) => {
    const scale = 3;
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = scale * width;
      canvas.height = scale * height;
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      save(canvas.toDataURL("image/png"), name);
    };
    image.src = address(text);
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
      files.append(button);
    };
    offer("SVG", () => save(address(standalone(svg).text), name + ".svg"));
    offer("PNG", () => saveRaster(standalone(svg), name + ".png"));
  }
})();
