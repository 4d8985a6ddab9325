# gin is built without MessagePack, which is a seventh of the program.
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -tags=nomsgpack -ldflags='-s -w' -o /sluice .

# Static, without a shell, as nobody; writes nothing, so run it with a read-only root.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sluice /sluice
USER 65534:65534
EXPOSE 8080 8081
ENTRYPOINT ["/sluice"]
CMD ["serve"]
